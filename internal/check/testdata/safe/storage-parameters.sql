ALTER TABLE orders SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE orders ALTER COLUMN user_id SET STATISTICS 500;

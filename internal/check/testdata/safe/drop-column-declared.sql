-- shiplock:min-compatible-version 1
-- shiplock:allow data-loss: exported to the warehouse
ALTER TABLE users DROP COLUMN phone;

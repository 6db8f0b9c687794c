-- multiple-tables-locked
ALTER TABLE orders ADD COLUMN channel text;
ALTER TABLE users ADD COLUMN channel text;

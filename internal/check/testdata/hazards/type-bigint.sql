-- column-type-change
ALTER TABLE orders ALTER COLUMN id TYPE bigint;

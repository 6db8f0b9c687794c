-- json-column
ALTER TABLE orders ADD COLUMN options json;

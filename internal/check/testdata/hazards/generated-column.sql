-- generated-column
ALTER TABLE orders ADD COLUMN sum numeric GENERATED ALWAYS AS (price * amount) STORED;

ALTER TABLE orders ADD COLUMN changed timestamptz NOT NULL DEFAULT now();

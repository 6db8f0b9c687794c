ALTER TABLE orders ALTER COLUMN product_id SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_product_id_not_null;

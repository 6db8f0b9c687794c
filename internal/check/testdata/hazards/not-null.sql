-- not-null-scan
ALTER TABLE orders ALTER COLUMN user_id SET NOT NULL;

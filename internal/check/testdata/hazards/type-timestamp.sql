-- column-type-change
ALTER TABLE users ALTER COLUMN joined TYPE timestamp USING joined AT TIME ZONE 'UTC';

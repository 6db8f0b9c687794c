-- enum-value-used
ALTER TYPE state ADD VALUE 'paid';
ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';

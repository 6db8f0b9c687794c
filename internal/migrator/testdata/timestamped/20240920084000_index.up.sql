-- it cannot run in a transaction, and so has a file of its own
CREATE INDEX CONCURRENTLY IF NOT EXISTS meters_amount_idx ON meters (amount);

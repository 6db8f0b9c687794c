-- unnamed-concurrent-index
CREATE INDEX CONCURRENTLY ON orders (note);

-- "My stays" reads a guest's bookings, newest first. The table is in use, so the index is built
-- CONCURRENTLY, which cannot run in a transaction: the file contains no other statement.
CREATE INDEX CONCURRENTLY bookings_guest_idx ON bookings (guest_id, arrives DESC);

-- "My stays" reads a guest's bookings, newest first. The table is in use, so the index is built beside it:
-- CONCURRENTLY cannot run in a transaction and therefore has this file to itself.
CREATE INDEX CONCURRENTLY bookings_guest_idx ON bookings (guest_id, arrives DESC);

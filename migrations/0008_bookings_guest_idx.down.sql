DROP INDEX CONCURRENTLY bookings_guest_idx;

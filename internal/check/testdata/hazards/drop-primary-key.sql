-- primary-key-dropped
ALTER TABLE bookings DROP CONSTRAINT bookings_pkey;

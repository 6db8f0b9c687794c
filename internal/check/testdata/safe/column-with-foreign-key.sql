CREATE TABLE seats (id bigint PRIMARY KEY, booking_id bigint REFERENCES bookings);

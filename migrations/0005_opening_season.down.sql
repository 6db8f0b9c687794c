DELETE FROM bookings;
DELETE FROM guests;
DELETE FROM rooms;

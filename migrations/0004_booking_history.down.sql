DROP TRIGGER bookings_history ON bookings;
DROP FUNCTION keep_booking_history();
DROP TABLE booking_history;

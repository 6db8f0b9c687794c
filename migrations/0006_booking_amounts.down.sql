-- The trigger has updated the printed price, so no data is lost.
DROP TRIGGER bookings_amount ON bookings;
DROP FUNCTION keep_booking_amount();
ALTER TABLE bookings
    DROP COLUMN amount_cents,
    DROP COLUMN currency;

-- Expand: adds an amount and a currency, which can be summed, to the printed price.
-- The printed price stays while v1 runs; the trigger updates one from the other.
ALTER TABLE bookings
    ADD COLUMN amount_cents integer,
    ADD COLUMN currency     char(3);

CREATE FUNCTION keep_booking_amount() RETURNS trigger
LANGUAGE plpgsql
AS $body$
DECLARE
    from_amount boolean := NEW.amount_cents IS NOT NULL;
BEGIN
    -- On an update, the changed value determines the other.
    IF TG_OP = 'UPDATE' THEN
        from_amount := from_amount AND NEW.price IS NOT DISTINCT FROM OLD.price;
    END IF;
    IF from_amount THEN
        NEW.price := to_char(NEW.amount_cents / 100.0, 'FM999999990.00') || ' ' || NEW.currency;
    ELSE
        NEW.amount_cents := replace(split_part(NEW.price, ' ', 1), '.', '')::integer;
        NEW.currency     := split_part(NEW.price, ' ', 2);
    END IF;
    RETURN NEW;
END;
$body$;

CREATE TRIGGER bookings_amount
    BEFORE INSERT OR UPDATE OF price, amount_cents, currency ON bookings
    FOR EACH ROW EXECUTE FUNCTION keep_booking_amount();

-- Backfill the rows written by v1. The booking history records users' changes only.
ALTER TABLE bookings DISABLE TRIGGER bookings_history;
UPDATE bookings
SET amount_cents = replace(split_part(price, ' ', 1), '.', '')::integer,
    currency     = split_part(price, ' ', 2);
ALTER TABLE bookings ENABLE TRIGGER bookings_history;

ALTER TABLE bookings
    ALTER COLUMN amount_cents SET NOT NULL,
    ALTER COLUMN currency     SET NOT NULL,
    ADD CONSTRAINT bookings_amount_check CHECK (amount_cents > 0);

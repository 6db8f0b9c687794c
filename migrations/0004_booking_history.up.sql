/* Every change of a booking is stored, so that the front desk can explain each change of dates.
   The trigger fires only if a value changed: an UPDATE without a change adds no row. */
CREATE TABLE booking_history (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    booking_id integer     NOT NULL CONSTRAINT booking_history_booking_fkey REFERENCES bookings (id) ON DELETE CASCADE,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT current_user,
    before     jsonb       NOT NULL
);

CREATE FUNCTION keep_booking_history() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- The semicolons in here are what naive statement splitters trip over.
    INSERT INTO booking_history (booking_id, before) VALUES (OLD.id, to_jsonb(OLD));
    RETURN NEW;
END;
$$;

CREATE TRIGGER bookings_history
    AFTER UPDATE ON bookings
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION keep_booking_history();

CREATE INDEX booking_history_booking_idx ON booking_history (booking_id, changed_at);

/* Every change of a booking is kept: the front desk is asked "who moved my dates?" more often than one would think.
   The trigger fires only when something changed, so a no-op UPDATE leaves no row. */
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

-- A guest gets an account: a phone number to be reached at, and an address that is theirs alone.
-- A guest who is in the table twice is merged into the older of the two first.
ALTER TABLE guests ADD COLUMN phone text;

WITH merged AS (
    SELECT id, min(id) OVER (PARTITION BY email) AS keep FROM guests
)
UPDATE bookings b
SET guest_id = m.keep
FROM merged m
WHERE b.guest_id = m.id AND m.id <> m.keep;

DELETE FROM guests g
USING guests older
WHERE older.email = g.email AND older.id < g.id;

ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email);

DROP INDEX guests_email_idx;

-- Guest accounts: a phone number, and a unique e-mail address.
-- Duplicate guests are first merged into the oldest of them.
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

CREATE INDEX guests_email_idx ON guests (email);
ALTER TABLE guests
    DROP CONSTRAINT guests_email_key,
    DROP COLUMN phone;
-- Merged guests stay merged: their bookings are all still there.

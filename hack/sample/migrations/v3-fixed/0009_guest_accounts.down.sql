CREATE INDEX guests_email_idx ON guests (email);
ALTER TABLE guests
    DROP CONSTRAINT guests_email_key,
    DROP COLUMN phone;
-- Merged guests stay merged. No booking is lost.

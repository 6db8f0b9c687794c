-- A guest gets an account: a phone number to be reached at, and an address that is theirs alone.
-- Nobody looked whether the addresses in the table are unique. They are not.
ALTER TABLE guests ADD COLUMN phone text;

ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email);

DROP INDEX guests_email_idx;

-- Guest accounts: a phone number, and a unique e-mail address.
-- The existing addresses are not unique, so this migration fails.
ALTER TABLE guests ADD COLUMN phone text;

ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email);

DROP INDEX guests_email_idx;

-- How an address was typed is gone; the normalised one reaches the same mailbox.
DROP TRIGGER guests_email ON guests;
DROP FUNCTION normalise_guest_email();
COMMENT ON COLUMN guests.email IS NULL;

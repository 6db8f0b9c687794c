-- The original spelling is lost; the normalized address reaches the same mailbox.
DROP TRIGGER guests_email ON guests;
DROP FUNCTION normalize_guest_email();
COMMENT ON COLUMN guests.email IS NULL;

-- One spelling for every address. The trigger stays, because v1 writes addresses as entered.
CREATE FUNCTION normalize_guest_email() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN NEW.email := lower(btrim(NEW.email)); RETURN NEW; END $$;

CREATE TRIGGER guests_email
    BEFORE INSERT OR UPDATE OF email ON guests
    FOR EACH ROW EXECUTE FUNCTION normalize_guest_email();

UPDATE guests SET email = email WHERE email <> lower(btrim(email));

COMMENT ON COLUMN guests.email IS 'lower case, without surrounding blanks';

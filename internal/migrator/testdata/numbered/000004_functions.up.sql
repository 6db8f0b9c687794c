CREATE OR REPLACE FUNCTION touch() RETURNS trigger AS $$
DECLARE
    note text := 'a ; in a string, and -- no comment';
BEGIN
    -- COMMIT; in a comment, and a $1 that is no parameter
    IF NEW.email IS NULL THEN
        RAISE EXCEPTION 'no email: %', note;
    END IF;
    NEW.updated_at := '2021-01-01';
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER guests_touch BEFORE UPDATE ON guests
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE PROCEDURE touch();

CREATE FUNCTION nested(sql text) RETURNS text LANGUAGE plpgsql AS $outer$
BEGIN
    RETURN replace($inner$a $$ b; $inner$, 'a', sql);
END $outer$;

CREATE FUNCTION atomic(n int) RETURNS int
    BEGIN ATOMIC
        SELECT n + 1;
        SELECT n + 2;
    END;

DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'booking_reader') THEN
        CREATE ROLE booking_reader;
    END IF;
    EXECUTE format('COMMENT ON TABLE %I IS %L', 'guests', 'those who sleep here; ünïcode');
END
$do$;

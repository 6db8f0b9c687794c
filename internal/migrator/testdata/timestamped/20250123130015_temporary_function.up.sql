-- It lives as long as the session, so no cleanup is needed.
CREATE OR REPLACE FUNCTION pg_temp.label(n bigint) RETURNS text AS $$
DECLARE
    alphabet bytea = '0123456789ABCDEF';
    empty bytea = E'\\000\\000';
BEGIN
    RETURN chr(get_byte(alphabet, n::int % 16)) || length(empty);
END
$$ LANGUAGE plpgsql VOLATILE;
UPDATE meters SET number = pg_temp.label(id);
ALTER TABLE meters ADD COLUMN label text; UPDATE meters SET label = number;

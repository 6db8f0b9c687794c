-- The tables that the service begins with.
-- Two comments, and a blank line, come before the first statement.

/* A block comment, too; with a semicolon and /* a nested one */ BEGIN; */
CREATE TYPE login_kind AS ENUM (
    'password',
    'token'
);

CREATE TABLE IF NOT EXISTS guests (
    id bigserial NOT NULL,
    email text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    login login_kind NOT NULL,
    secret bytea,
    tags text [] DEFAULT '{new-guest}' :: text [] NOT NULL,
    valid_until timestamp with time zone DEFAULT '0001-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX IF NOT EXISTS guests_email_lower_idx ON guests USING btree (lower(email));

CREATE TABLE rooms (id serial PRIMARY KEY, label text NOT NULL UNIQUE);

ALTER TABLE ONLY rooms
    ADD COLUMN IF NOT EXISTS host_id bigint,
    ADD CONSTRAINT rooms_host_fkey FOREIGN KEY (host_id) REFERENCES guests(id) ON DELETE CASCADE;

-- The version table is one of these, and is there already.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO booking_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO booking_reader;
COMMENT ON TABLE schema_migrations IS 'the version table';

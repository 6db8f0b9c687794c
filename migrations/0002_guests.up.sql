-- A guest is whoever a booking is made out to. The address is stored as typed.
CREATE TABLE guests (
    id         integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT guests_name_check CHECK (btrim(name) <> ''),
    email      text        NOT NULL CONSTRAINT guests_email_check CHECK (email LIKE '%_@_%'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX guests_email_idx ON guests (email);

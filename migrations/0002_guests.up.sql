-- The guests named in bookings. E-mail addresses are stored as entered.
CREATE TABLE guests (
    id         integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT guests_name_check CHECK (btrim(name) <> ''),
    email      text        NOT NULL CONSTRAINT guests_email_check CHECK (email LIKE '%_@_%'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX guests_email_idx ON guests (email);

-- The rooms of the guest house. Prices are in the smallest unit of their currency:
-- a nightly price of 12900 EUR-cents is 129.00 EUR.
--
-- The number is the one on the door ("101", "A2"), so it is text.

CREATE TABLE rooms (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number        text    NOT NULL CONSTRAINT rooms_number_key UNIQUE,
    name          text    NOT NULL,
    kind          text    NOT NULL CONSTRAINT rooms_kind_check CHECK (kind IN ('single', 'double', 'family')),
    sleeps        integer NOT NULL CONSTRAINT rooms_sleeps_check CHECK (sleeps BETWEEN 1 AND 8),
    nightly_cents integer NOT NULL CONSTRAINT rooms_nightly_check CHECK (nightly_cents > 0),
    currency      char(3) NOT NULL DEFAULT 'EUR'
);

COMMENT ON COLUMN rooms.nightly_cents IS 'price of one night, in cents of the currency';

-- Bookings. A room is never booked twice for the same night.
-- An exclusion constraint enforces this, because two requests can arrive at the same time.
-- btree_gist is a trusted extension: the database's owner may create it.
BEGIN;

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE bookings (
    id        integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id   integer     NOT NULL CONSTRAINT bookings_room_fkey REFERENCES rooms (id),
    guest_id  integer     NOT NULL CONSTRAINT bookings_guest_fkey REFERENCES guests (id),
    arrives   date        NOT NULL,
    leaves    date        NOT NULL,
    price     text        NOT NULL CONSTRAINT bookings_price_check CHECK (price ~ '^[0-9]+\.[0-9]{2} [A-Z]{3}$'),
    status    text        NOT NULL DEFAULT 'confirmed'
              CONSTRAINT bookings_status_check CHECK (status IN ('confirmed', 'canceled', 'stayed')),
    booked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bookings_nights_check CHECK (leaves > arrives),
    CONSTRAINT bookings_room_taken
        EXCLUDE USING gist (room_id WITH =, daterange(arrives, leaves) WITH &&)
        WHERE (status <> 'canceled')
);

CREATE INDEX bookings_arrives_idx ON bookings (arrives) WHERE status = 'confirmed';

COMMENT ON COLUMN bookings.price IS 'as printed on the confirmation, for example "258.00 EUR"';

COMMIT;

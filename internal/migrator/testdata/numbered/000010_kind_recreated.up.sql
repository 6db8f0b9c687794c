BEGIN;
DELETE FROM guests WHERE login = 'none';
ALTER TYPE login_kind RENAME TO old_login_kind;
CREATE TYPE login_kind AS ENUM ('password', 'token', 'key');
ALTER TABLE guests ALTER COLUMN login TYPE login_kind USING (login::text::login_kind);
DROP TYPE old_login_kind;
CREATE TYPE stay_state AS ENUM ('asked');
ALTER TYPE stay_state ADD VALUE 'stayed'; -- not to be used before the COMMIT
CREATE TABLE stays (room_id int NOT NULL REFERENCES rooms, state stay_state NOT NULL DEFAULT 'asked');
END;

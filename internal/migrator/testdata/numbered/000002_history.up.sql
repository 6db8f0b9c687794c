-- The reason for this migration is described above its first statement,
-- where a reader will look for it; BEGIN comes after it.
BEGIN;

CREATE EXTENSION IF NOT EXISTS pgcrypto;

CREATE TABLE history (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    digest text NOT NULL DEFAULT encode(digest('', 'sha256'), 'hex'),
    at timestamptz NOT NULL DEFAULT '2020-01-01 00:00:00Z'
);

-- No session writes while the column moves.
LOCK TABLE guests IN ACCESS EXCLUSIVE MODE;
ALTER TABLE guests ADD COLUMN updated_at timestamptz;
UPDATE guests SET updated_at = '2020-01-01';
ALTER TABLE guests ALTER COLUMN updated_at SET NOT NULL;

COMMIT;

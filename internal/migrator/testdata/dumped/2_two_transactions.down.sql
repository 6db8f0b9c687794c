BEGIN;
ALTER TABLE public.charges DROP COLUMN paid;
COMMIT;
ALTER TABLE public.charges SET (fillfactor = 90);
ALTER TABLE public.charges RESET (fillfactor);

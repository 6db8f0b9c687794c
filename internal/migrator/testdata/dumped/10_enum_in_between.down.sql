ALTER TABLE public.charges DROP COLUMN way;
DROP TYPE public.way;

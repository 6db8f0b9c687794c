CREATE TYPE public.way AS ENUM ('cash');
ALTER TABLE public.charges ADD COLUMN way public.way;
COMMIT;
ALTER TYPE public.way ADD VALUE 'card';
COMMIT;
UPDATE public.charges SET way = 'card';

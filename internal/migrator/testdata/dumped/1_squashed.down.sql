DROP FUNCTION public.total(integer);
DROP TABLE public.charges;
DROP EXTENSION citext;

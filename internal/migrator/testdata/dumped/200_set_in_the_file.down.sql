DROP TABLE public.plain;

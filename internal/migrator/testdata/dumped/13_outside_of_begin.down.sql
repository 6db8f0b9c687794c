DROP TABLE public.outside;
COMMIT;

DELETE FROM public.outside WHERE a > 5

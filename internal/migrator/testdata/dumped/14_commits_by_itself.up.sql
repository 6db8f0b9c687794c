-- in pieces: the block commits each
DO $$
BEGIN
    FOR i IN 6..9 LOOP
        INSERT INTO public.outside VALUES (i);
        COMMIT;
    END LOOP;
END
$$;

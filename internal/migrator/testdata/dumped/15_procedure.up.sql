CREATE PROCEDURE public.in_pieces(n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        UPDATE public.outside SET b = a WHERE a = i;
        COMMIT;
    END LOOP;
END $$;

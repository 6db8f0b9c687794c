VACUUM (ANALYZE) public.charges;

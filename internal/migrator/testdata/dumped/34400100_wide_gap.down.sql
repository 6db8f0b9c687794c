DROP INDEX CONCURRENTLY public.charges_booking;

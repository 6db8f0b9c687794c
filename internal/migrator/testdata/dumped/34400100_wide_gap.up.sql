CREATE UNIQUE INDEX CONCURRENTLY charges_booking ON public.charges USING btree (booking_id, id DESC NULLS LAST);

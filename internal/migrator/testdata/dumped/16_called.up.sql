CALL public.in_pieces(9);

DROP PROCEDURE public.in_pieces;

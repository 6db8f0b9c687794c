-- incompatible-change
DROP FUNCTION total_of(bigint);

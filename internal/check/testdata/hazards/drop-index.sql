-- drop-index-not-concurrent
DROP INDEX orders_user_id_idx;

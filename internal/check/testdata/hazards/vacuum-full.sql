-- table-rewrite
VACUUM FULL orders;

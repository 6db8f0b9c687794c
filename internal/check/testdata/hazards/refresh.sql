-- refresh-not-concurrent
REFRESH MATERIALIZED VIEW sales;

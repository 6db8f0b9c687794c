CREATE TEMP TABLE kept AS SELECT id FROM meters;
SELECT count(*) FROM kept;

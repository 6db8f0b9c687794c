-- drop-cascade
DROP TABLE users CASCADE;

-- table-rewrite
ALTER TABLE orders SET UNLOGGED;

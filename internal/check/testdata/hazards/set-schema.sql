-- incompatible-change
ALTER TABLE orders SET SCHEMA shop;

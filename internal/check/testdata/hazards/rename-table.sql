-- incompatible-change
ALTER TABLE orders RENAME TO purchases;

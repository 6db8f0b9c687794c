DROP TABLE slots; DROP EXTENSION btree_gist;
ALTER TABLE meters DROP COLUMN number;

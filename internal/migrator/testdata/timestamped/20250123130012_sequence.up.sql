CREATE SEQUENCE "tmp_numbers" START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER TABLE meters ADD COLUMN number text;
UPDATE "meters" SET "number" = 'M-' || nextval('tmp_numbers') WHERE "number" IS NULL;
DROP SEQUENCE "tmp_numbers";
ALTER TABLE "meters" ALTER COLUMN "number" SET NOT NULL;
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
CREATE TABLE slots (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (room IS NOT NULL));

-- reverse: create "Parents" table
DROP TABLE "Parents";
-- reverse: create "meters" table
DROP TABLE "meters";

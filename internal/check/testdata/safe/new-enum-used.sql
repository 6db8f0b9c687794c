CREATE TYPE kind AS ENUM ('a');
ALTER TYPE kind ADD VALUE 'b';
CREATE TABLE things (kind kind DEFAULT 'b');

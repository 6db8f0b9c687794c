-- lock-held
ALTER TABLE users ADD COLUMN nickname text;
CREATE TABLE names (user_id bigint, name text);
INSERT INTO names SELECT id, name FROM users;

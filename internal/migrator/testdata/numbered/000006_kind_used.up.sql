INSERT INTO guests (email, login, updated_at) VALUES ('a@example.org', 'none', '2020-01-01'), ('b@example.org', 'key', '2020-01-01');

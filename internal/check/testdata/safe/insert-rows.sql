INSERT INTO products (id, title) VALUES (1, 'Room'), (2, 'Suite') ON CONFLICT DO NOTHING;

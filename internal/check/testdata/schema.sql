-- The merged schema of the files in hazards and safe.
CREATE TYPE state AS ENUM ('new', 'done');
CREATE DOMAIN email AS text;
CREATE TABLE users (id bigint PRIMARY KEY, name varchar(50) NOT NULL, mail email, phone text, score numeric(8,2), age int, joined timestamptz);
CREATE TABLE orders (
  id int PRIMARY KEY, user_id bigint, product_id bigint, state state DEFAULT 'new', note text, total numeric, price numeric, amount int, code varchar(20), details jsonb,
  CONSTRAINT orders_product_id_not_null CHECK (product_id IS NOT NULL), CONSTRAINT orders_total_positive CHECK (total >= 0) NOT VALID
);
CREATE INDEX orders_user_id_idx ON orders (user_id);
CREATE UNIQUE INDEX orders_code_key ON orders (code);
CREATE TABLE products (id bigint PRIMARY KEY, title text NOT NULL);
CREATE TABLE bookings (id bigint PRIMARY KEY, room int, during tstzrange);
CREATE TABLE events (id bigint, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 (id bigint, at date NOT NULL);
CREATE TABLE events_2030 (id bigint, at date NOT NULL, CONSTRAINT events_2030_bounds CHECK (at >= '2030-01-01' AND at < '2031-01-01'));
CREATE MATERIALIZED VIEW sales AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE UNIQUE INDEX sales_user_id_idx ON sales (user_id);

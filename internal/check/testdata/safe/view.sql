CREATE VIEW open_orders AS SELECT id, user_id FROM orders;

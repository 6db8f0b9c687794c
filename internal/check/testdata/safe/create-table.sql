CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id int REFERENCES orders, total numeric NOT NULL);
CREATE INDEX invoices_order_id_idx ON invoices (order_id);

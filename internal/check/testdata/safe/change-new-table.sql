CREATE TABLE invoices (id int, total int);
ALTER TABLE invoices ADD COLUMN token uuid DEFAULT gen_random_uuid();
ALTER TABLE invoices ALTER COLUMN id TYPE bigint;
ALTER TABLE invoices ADD PRIMARY KEY (id);
CREATE INDEX invoices_total_idx ON invoices (total);
INSERT INTO invoices (id) VALUES (1);
UPDATE invoices SET total = 0;
ALTER TABLE invoices ALTER COLUMN total SET NOT NULL;

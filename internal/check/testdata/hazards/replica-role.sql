-- trigger-disabled
SET session_replication_role = replica;
INSERT INTO products VALUES (1, 'a');

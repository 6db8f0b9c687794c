-- trigger-disabled
ALTER TABLE orders DISABLE TRIGGER ALL;

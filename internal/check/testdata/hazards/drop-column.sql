-- data-loss
ALTER TABLE users DROP COLUMN phone;

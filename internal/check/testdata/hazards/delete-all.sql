-- data-loss
DELETE FROM orders;

-- data-loss
TRUNCATE orders;

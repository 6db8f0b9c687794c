-- data-loss
DROP DATABASE booking;

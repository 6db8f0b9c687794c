-- data-loss
DROP TABLE bookings;

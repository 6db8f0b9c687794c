-- incompatible-change
ALTER TYPE state RENAME TO order_state;

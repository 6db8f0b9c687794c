-- explicit-lock
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;

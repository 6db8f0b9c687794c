-- unbatched-write
UPDATE orders SET note = '' WHERE note IS NULL;

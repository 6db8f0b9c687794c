-- incompatible-change
ALTER SCHEMA app RENAME TO application;

-- volatile-default
ALTER TABLE events_2025 ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;

-- volatile-default
ALTER TABLE events_2025 ADD COLUMN number bigserial;

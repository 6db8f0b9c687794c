-- exclusion-constraint
ALTER TABLE bookings ADD CONSTRAINT bookings_overlap EXCLUDE USING gist (during WITH &&);

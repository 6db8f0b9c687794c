-- constraint-index
ALTER TABLE events_2025 ADD PRIMARY KEY (id);

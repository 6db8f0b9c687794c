-- detach-not-concurrent
ALTER TABLE events DETACH PARTITION events_2024;

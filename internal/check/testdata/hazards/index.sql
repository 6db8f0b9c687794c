-- index-not-concurrent
CREATE INDEX orders_note_idx ON orders (note);

-- concurrently-fails
DO $$ BEGIN
  EXECUTE 'CREATE INDEX CONCURRENTLY orders_note_idx ON orders (note)';
END $$;

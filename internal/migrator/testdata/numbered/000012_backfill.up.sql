CREATE TEMP TABLE numbered ON COMMIT DROP AS SELECT i AS id, 'Zimmer ' || i || ' – größer' AS label FROM generate_series(1, 40) i;
INSERT INTO rooms (id, label) SELECT id, label FROM numbered ON CONFLICT DO NOTHING;
SELECT setval('rooms_id_seq', max(id)) FROM rooms;
WITH gone AS (DELETE FROM rooms WHERE id > 30 RETURNING id) INSERT INTO stays (room_id) SELECT 1 FROM gone LIMIT 2;
UPDATE rooms SET label = E'it''s\n\'escaped\'; ' || U&'d\0061t' || label WHERE id = 7;
SELECT 1;;
;

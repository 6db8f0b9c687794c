DROP FUNCTION atomic, nested;
DROP TRIGGER guests_touch ON guests;
DROP FUNCTION touch();

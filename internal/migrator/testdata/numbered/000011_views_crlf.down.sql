DROP VIEW guests_by_login;
DROP VIEW known_guests

package main

// statements is the SQL of one release. It names exactly the columns that the release requires, so that a release
// with an older schema fails on its first statement and not in the middle of a booking.
type statements struct {
	// list returns one JSON object per booking.
	list string
	// book has the parameters room, guest's name, e-mail, phone, first and last day. It returns the booking's id, or
	// no row for an unknown room. Releases before v3 ignore the phone number.
	book string
}

// release is set with -ldflags "-X main.release=v2".
var release = "v1"

var releases = map[string]statements{"v1": v1, "v2": v2, "v3": v3}

// v1 stores the printed price, and compares e-mail addresses case-sensitively.
var v1 = statements{
	list: `SELECT json_build_object('id', b.id, 'room', r.number, 'guest', g.name, 'arrives', b.arrives,
	              'leaves', b.leaves, 'status', b.status, 'price', b.price)
	FROM bookings b JOIN rooms r ON r.id = b.room_id JOIN guests g ON g.id = b.guest_id
	ORDER BY b.arrives, b.id`,
	book: `WITH known AS (SELECT id FROM guests WHERE email = $3::text ORDER BY id LIMIT 1),
	added AS (
	    INSERT INTO guests (name, email) SELECT $2::text, $3::text
	    WHERE NOT EXISTS (SELECT FROM known) AND $4::text IS NOT NULL RETURNING id)
	INSERT INTO bookings (room_id, guest_id, arrives, leaves, price)
	SELECT r.id, g.id, $5::date, $6::date,
	       to_char(($6::date - $5::date) * r.nightly_cents / 100.0, 'FM999999990.00') || ' ' || r.currency
	FROM rooms r, (TABLE known UNION ALL TABLE added) g
	WHERE r.number = $1::text
	RETURNING id`,
}

// v2 stores amounts in cents, and reads and writes addresses in lower case.
var v2 = statements{
	list: `SELECT json_build_object('id', b.id, 'room', r.number, 'guest', g.name, 'arrives', b.arrives,
	              'leaves', b.leaves, 'status', b.status, 'amount_cents', b.amount_cents, 'currency', b.currency)
	FROM bookings b JOIN rooms r ON r.id = b.room_id JOIN guests g ON g.id = b.guest_id
	ORDER BY b.arrives, b.id`,
	book: `WITH known AS (SELECT id FROM guests WHERE email = lower(btrim($3::text)) ORDER BY id LIMIT 1),
	added AS (
	    INSERT INTO guests (name, email) SELECT $2::text, lower(btrim($3::text))
	    WHERE NOT EXISTS (SELECT FROM known) AND $4::text IS NOT NULL RETURNING id)
	INSERT INTO bookings (room_id, guest_id, arrives, leaves, amount_cents, currency)
	SELECT r.id, g.id, $5::date, $6::date, ($6::date - $5::date) * r.nightly_cents, r.currency
	FROM rooms r, (TABLE known UNION ALL TABLE added) g
	WHERE r.number = $1::text
	RETURNING id`,
}

// v3 identifies a guest by the address, and stores a phone number.
var v3 = statements{
	list: `SELECT json_build_object('id', b.id, 'room', r.number, 'guest', g.name, 'phone', g.phone, 'arrives', b.arrives,
	              'leaves', b.leaves, 'status', b.status, 'amount_cents', b.amount_cents, 'currency', b.currency)
	FROM bookings b JOIN rooms r ON r.id = b.room_id JOIN guests g ON g.id = b.guest_id
	ORDER BY b.arrives, b.id`,
	book: `WITH guest AS (
	    INSERT INTO guests (name, email, phone) VALUES ($2::text, lower(btrim($3::text)), nullif($4::text, ''))
	    ON CONFLICT (email) DO UPDATE SET phone = coalesce(excluded.phone, guests.phone) RETURNING id)
	INSERT INTO bookings (room_id, guest_id, arrives, leaves, amount_cents, currency)
	SELECT r.id, g.id, $5::date, $6::date, ($6::date - $5::date) * r.nightly_cents, r.currency
	FROM rooms r, guest g
	WHERE r.number = $1::text
	RETURNING id`,
}

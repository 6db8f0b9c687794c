-- Initial data: the rooms, and the bookings from the paper register.
-- Two guests are in the register twice, with addresses that differ only in case.
INSERT INTO rooms (number, name, kind, sleeps, nightly_cents, currency) VALUES
    ('101', 'Harbour',    'double', 2, 12900, 'EUR'),
    ('102', 'Lighthouse', 'double', 2, 13900, 'EUR'),
    ('103', 'Tern',       'single', 1,  7900, 'EUR'),
    ('201', 'Estuary',    'family', 4, 18900, 'EUR'),
    ('202', 'Dune',       'double', 3, 14900, 'EUR'),
    ('203', 'Lock-keeper', 'single', 1, 8400, 'EUR');

INSERT INTO guests (name, email) VALUES
    ('Ida Pfeiffer',     'ida.pfeiffer@example.org'),
    ('Nellie Bly',       'Nellie.Bly@example.org'),
    ('Isabella Bird',    'isabella.bird@example.com'),
    ('Ibn Battuta',      'battuta@example.net'),
    ('Alexandra David-Néel', 'alexandra@example.org'),
    ('Nellie Bly',       'nellie.bly@example.org'),
    ('Freya Stark',      'freya.stark@example.com'),
    ('Zheng He',         'zheng.he@example.net'),
    ('Isabella Bird',    'Isabella.Bird@example.com');

INSERT INTO bookings (room_id, guest_id, arrives, leaves, price, status)
SELECT r.id, g.id, b.arrives, b.leaves,
       to_char((b.leaves - b.arrives) * r.nightly_cents / 100.0, 'FM999999990.00') || ' ' || r.currency,
       b.status
FROM (VALUES
    ('101', 'ida.pfeiffer@example.org',  date '2026-05-01', date '2026-05-04', 'stayed'),
    ('101', 'Nellie.Bly@example.org',    date '2026-05-04', date '2026-05-07', 'stayed'),
    ('102', 'isabella.bird@example.com', date '2026-05-02', date '2026-05-09', 'stayed'),
    ('201', 'battuta@example.net',       date '2026-05-10', date '2026-05-24', 'stayed'),
    ('103', 'alexandra@example.org',     date '2026-06-01', date '2026-06-03', 'canceled'),
    ('103', 'freya.stark@example.com',   date '2026-06-01', date '2026-06-05', 'stayed'),
    ('202', 'nellie.bly@example.org',    date '2026-07-14', date '2026-07-21', 'confirmed'),
    ('101', 'zheng.he@example.net',      date '2026-07-20', date '2026-07-27', 'confirmed'),
    ('203', 'Isabella.Bird@example.com', date '2026-08-02', date '2026-08-06', 'confirmed'),
    ('201', 'ida.pfeiffer@example.org',  date '2026-08-08', date '2026-08-15', 'confirmed')
) AS b (room, email, arrives, leaves, status)
JOIN rooms r ON r.number = b.room
JOIN guests g ON g.email = b.email
ORDER BY b.arrives, b.room;

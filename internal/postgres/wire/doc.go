// Package wire reads what a PostgreSQL server sends before lib/pq does, where lib/pq would fail or
// lose it. A [Dialer] checks that the server speaks PostgreSQL's protocol, and lib/pq can read the
// server's reason after a failed write. [WithErrors] shortens errors that are too long for lib/pq, and
// keeps the error that ends a session. See ADR 19.
//
// Package postgres opens its connections with it.
package wire

package bench

import "time"

// scale is with which numbers the figures are taken.
type scale struct {
	short bool

	migrations int // small ones, to be applied
	rounds     int // of a figure on loopback, in turn; the median counts
	delays     []time.Duration
	pending    int // migrations in the source, nothing of them pending
	processes  int
	work       time.Duration // of the migrations that many processes come for
	rows       int           // of the table that is in use
	hold       time.Duration // of a reader's lock on it
	strikes    int
	data       int64 // bytes of a data migration
	starts     int   // of a program
	versions   []int // applied, or rows of the journal
	releases   int   // helm upgrades
}

func scaleOf() scale {
	switch {
	case *out == "":
		return scale{short: true, migrations: 12, rounds: 1, delays: []time.Duration{time.Millisecond}, pending: 30, processes: 4, work: 300 * time.Millisecond,
			rows: 1000, hold: 200 * time.Millisecond, strikes: 0, data: 1 << 20, starts: 2, versions: []int{1, 10}, releases: 1}
	case *short:
		return scale{short: true, migrations: 100, rounds: 3, delays: []time.Duration{2 * time.Millisecond, 5 * time.Millisecond}, pending: 2000, processes: 20,
			work: 2 * time.Second, rows: 200_000, hold: 8 * time.Second, strikes: 30, data: 64 << 20, starts: 10, versions: []int{1, 10, 100, 1000}, releases: 2}
	}
	ms := time.Millisecond
	return scale{migrations: 1000, rounds: 5, delays: []time.Duration{2 * ms, 5 * ms, 20 * ms}, pending: 10_000, processes: 50,
		work: 10 * time.Second, rows: 10_000_000, hold: 30 * time.Second, strikes: 150, data: 1 << 30, starts: 40, versions: []int{1, 10, 100, 1000, 10_000}, releases: 5}
}

package bench

import "time"

// A scale has the parameters of the figures.
type scale struct {
	short bool

	migrations  int // small migrations to apply
	rounds      int // runs of each tool on loopback, for the median
	delays      []time.Duration
	pending     int // applied migrations in the source
	processes   int
	work        time.Duration // duration of the migrations of many processes
	rows        int           // of the table in use
	hold        time.Duration // of a reader's lock on it
	faultRounds int
	data        int64 // bytes of a data migration
	starts      int   // of a program
	versions    []int // numbers of applied migrations
	releases    int   // helm upgrades
	checked     int   // migration files
}

func scaleOf() scale {
	switch {
	case *out == "":
		return scale{short: true, migrations: 12, rounds: 1, delays: []time.Duration{time.Millisecond}, pending: 30, processes: 4, work: 300 * time.Millisecond,
			rows: 1000, hold: 200 * time.Millisecond, faultRounds: 0, data: 1 << 20, starts: 2, versions: []int{1, 10}, releases: 1, checked: 20}
	case *short:
		return scale{short: true, migrations: 100, rounds: 3, delays: []time.Duration{2 * time.Millisecond, 5 * time.Millisecond}, pending: 2000, processes: 20,
			work: 2 * time.Second, rows: 200_000, hold: 8 * time.Second, faultRounds: 30, data: 64 << 20, starts: 10, versions: []int{1, 10, 100, 1000}, releases: 2, checked: 1000}
	}
	ms := time.Millisecond
	return scale{migrations: 1000, rounds: 5, delays: []time.Duration{2 * ms, 5 * ms, 20 * ms}, pending: 10_000, processes: 50,
		work: 10 * time.Second, rows: 10_000_000, hold: 30 * time.Second, faultRounds: 150, data: 1 << 30, starts: 40, versions: []int{1, 10, 100, 1000, 10_000}, releases: 5, checked: 1000}
}

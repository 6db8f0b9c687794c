package pgtest

import (
	"sync"
	"testing"
)

var created struct {
	sync.Mutex
	by map[testing.TB][]*Database
}

// Made are the databases that t has made so far, and that are there still.
func Databases(t testing.TB) []*Database {
	created.Lock()
	defer created.Unlock()
	return append([]*Database(nil), created.by[t]...)
}

func (d *Database) record(t testing.TB) *Database {
	created.Lock()
	defer created.Unlock()
	if created.by == nil {
		created.by = map[testing.TB][]*Database{}
	}
	created.by[t] = append(created.by[t], d)
	t.Cleanup(func() {
		created.Lock()
		defer created.Unlock()
		delete(created.by, t)
	})
	return d
}

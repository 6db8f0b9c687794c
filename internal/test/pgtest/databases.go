package pgtest

import (
	"sync"
	"testing"
)

var created struct {
	sync.Mutex
	by map[testing.TB][]*Database
}

// Databases returns the databases that t has created and not dropped.
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

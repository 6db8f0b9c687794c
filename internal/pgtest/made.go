package pgtest

import (
	"sync"
	"testing"
)

var made struct {
	sync.Mutex
	by map[testing.TB][]*Database
}

// Made are the databases that t has made so far, and that are there still.
func Made(t testing.TB) []*Database {
	made.Lock()
	defer made.Unlock()
	return append([]*Database(nil), made.by[t]...)
}

func (d *Database) note(t testing.TB) *Database {
	made.Lock()
	defer made.Unlock()
	if made.by == nil {
		made.by = map[testing.TB][]*Database{}
	}
	made.by[t] = append(made.by[t], d)
	t.Cleanup(func() {
		made.Lock()
		defer made.Unlock()
		delete(made.by, t)
	})
	return d
}

package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// author writes a set.
type author struct {
	*rand.Rand
	set   *Set
	names []string // of tables, in the order of their making, so that a seed always gives the same set
	n     int      // of names given
}

// NewSet makes the set of a seed.
func NewSet(seed uint64, mixed bool) *Set {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 1)), set: &Set{Class: Transactional, Tables: map[string]*Table{}}}
	if mixed {
		a.set.Class = []Class{Transactional, Concurrent, Mixed}[a.IntN(3)]
	}
	version := 0
	for range 2 + a.IntN(5) {
		version += 1 + a.IntN(3)
		a.migration(version)
	}
	return a.set
}

// fixedSet has a given number of migrations of one statement, to measure a tool with.
func fixedSet(n int) *Set {
	a := &author{set: &Set{Class: Transactional, Tables: map[string]*Table{}}}
	for v := range n {
		a.add(Migration{Version: v + 1, Plain: true, Statements: []string{a.create()}})
	}
	return a.set
}

const createLog = "CREATE TABLE chaos_log (version int)" // no key: what runs twice shall show

func (a *author) migration(version int) {
	if len(a.names) > 0 && a.set.Class == Concurrent && a.IntN(2) == 0 {
		m := Migration{Version: version, Statements: []string{a.index("CONCURRENTLY ")}}
		a.set.Migrations = append(a.set.Migrations, m)
		return
	}
	m := Migration{Version: version, Plain: true}
	apart := len(a.names) > 0 && a.set.Class == Mixed && a.IntN(2) == 0
	for range 1 + a.IntN(5) {
		if apart && a.IntN(2) == 0 {
			m.Plain = false
			m.Statements = append(m.Statements, a.outside())
		} else {
			m.Statements = append(m.Statements, a.inside())
		}
	}
	a.add(m)
}

// add puts the log's line at a random place of m and m into the set.
func (a *author) add(m Migration) {
	at := 0
	if a.Rand != nil {
		at = a.IntN(len(m.Statements) + 1)
	}
	line := fmt.Sprintf("INSERT INTO chaos_log VALUES (%d)", m.Version)
	m.Logs = true
	m.Statements = append(m.Statements[:at:at], append([]string{line}, m.Statements[at:]...)...)
	if len(a.set.Migrations) == 0 {
		m.Statements = append([]string{createLog}, m.Statements...)
	}
	a.set.Migrations = append(a.set.Migrations, m)
}

// inside is a statement that runs in a transaction. Run twice, it fails or shows.
func (a *author) inside() string {
	if len(a.names) == 0 {
		return a.create()
	}
	switch a.IntN(7) {
	case 0:
		return a.create()
	case 1:
		name, t := a.table()
		column := a.name("c")
		t.Columns = append(t.Columns, column)
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s int NOT NULL DEFAULT 0", name, column)
	case 2, 3:
		name, t := a.table()
		n := 1 + a.IntN(200)
		t.Rows += n
		t.Sum += n * (n + 1) / 2
		return fmt.Sprintf("INSERT INTO %s (id) SELECT generate_series(1, %d)", name, n)
	case 4:
		name, t := a.table()
		n := 1 + a.IntN(9)
		t.Sum += t.Rows * n
		return fmt.Sprintf("UPDATE %s SET id = id + %d", name, n)
	case 5:
		return a.index("")
	default:
		return a.sleep()
	}
}

// outside is a statement that no transaction may hold.
func (a *author) outside() string {
	name, t := a.table()
	switch last := len(t.Indexes) - 1; {
	case a.IntN(5) == 0:
		return "VACUUM " + name
	case last >= 0 && a.IntN(4) == 0:
		index := t.Indexes[last]
		t.Indexes = t.Indexes[:last]
		return "DROP INDEX CONCURRENTLY " + index
	default:
		return a.index("CONCURRENTLY ")
	}
}

func (a *author) create() string {
	name := a.name("t")
	a.names = append(a.names, name)
	a.set.Tables[name] = &Table{Columns: []string{"id"}}
	return fmt.Sprintf("CREATE TABLE %s (id int)", name)
}

func (a *author) index(how string) string {
	name, t := a.table()
	index := a.name("i")
	t.Indexes = append(t.Indexes, index)
	if how != "" {
		a.set.Slept += transaction
	}
	return fmt.Sprintf("CREATE INDEX %s%s ON %s (id)", how, index, name)
}

func (a *author) sleep() string {
	ms := 1 + a.IntN(30)
	a.set.Slept += time.Duration(ms) * time.Millisecond
	return fmt.Sprintf("SELECT pg_sleep(%.3f)", float64(ms)/1000)
}

func (a *author) table() (string, *Table) {
	name := a.names[a.IntN(len(a.names))]
	return name, a.set.Tables[name]
}

func (a *author) name(prefix string) string {
	a.n++
	return fmt.Sprintf("%s%d", prefix, a.n)
}

package faultinjection

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A generator generates a set.
type generator struct {
	*rand.Rand
	set   *Set
	names []string // of tables, in the order of their creation, so that a seed always gives the same set
	n     int      // number of names used

	schema    string // first schema of the migration's search_path; empty for public
	asAppRole bool   // the migration has changed its role
	hidden    string // table that the migration's temporary table hides
}

// NewSet returns the set of a seed.
func NewSet(seed uint64, mixed bool) *Set {
	a := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), set: &Set{Class: Transactional, Tables: map[string]*Table{}}}
	if mixed {
		a.set.Class = []Class{Transactional, Concurrent, Mixed, Session, MixedSession}[a.IntN(5)]
	}
	version := 0
	more := 2
	if a.set.hasSession() {
		more = 4 // one changes its session, and the next must not see the change
	}
	for range more + a.IntN(5) {
		version += 1 + a.IntN(3)
		a.migration(version)
	}
	return a.set
}

// fixedSet returns a set of n migrations of one statement each, to measure a tool.
func fixedSet(n int) *Set {
	a := &generator{set: &Set{Class: Transactional, Tables: map[string]*Table{}}}
	for v := range n {
		a.add(Migration{Version: v + 1, Plain: true, Statements: []string{a.create()}}, 0)
	}
	return a.set
}

func (a *generator) migration(version int) {
	if len(a.names) > 0 && a.set.Class == Concurrent && a.IntN(2) == 0 {
		m := Migration{Version: version, Statements: []string{a.index("CONCURRENTLY ")}}
		a.set.Migrations = append(a.set.Migrations, m)
		return
	}
	m := Migration{Version: version, Plain: true}
	nonTransactional := len(a.names) > 0 && a.set.mixes() && a.IntN(2) == 0
	if len(a.names) > 0 && a.set.hasSession() && a.IntN(3) > 0 {
		a.session(&m, nonTransactional)
	}
	state := len(m.Statements)
	for range 1 + a.IntN(5) {
		if nonTransactional && a.IntN(2) == 0 {
			m.Plain = false
			m.Statements = append(m.Statements, a.nonTransactionalStatement())
		} else {
			m.Statements = append(m.Statements, a.transactionalStatement())
		}
	}
	a.add(m, state)
	a.schema, a.hidden, a.asAppRole = "", "", false
}

// add inserts the statement that logs the migration at a random position of m, after its
// first statements, and adds m to the set.
func (a *generator) add(m Migration, first int) {
	at := first
	if a.Rand != nil {
		at += a.IntN(len(m.Statements) - first + 1)
	}
	line := fmt.Sprintf("INSERT INTO public.chaos_log VALUES (%d)", m.Version)
	m.Logs = true
	m.Statements = append(m.Statements[:at:at], append([]string{line}, m.Statements[at:]...)...)
	if len(a.set.Migrations) == 0 {
		start := []string{createLog}
		if a.set.hasSession() {
			start = append(start, sessionStart...)
		}
		m.Statements = append(start, m.Statements...)
	}
	a.set.Migrations = append(a.set.Migrations, m)
}

// transactionalStatement returns a statement that can run in a transaction. If it runs
// twice, it fails or changes the result.
func (a *generator) transactionalStatement() string {
	if len(a.names) == 0 {
		return a.create()
	}
	choice := a.IntN(7)
	if a.asAppRole && (choice == 1 || choice == 5) { // only the owner of a table may alter it
		choice = 2
	}
	switch choice {
	case 0:
		return a.create()
	case 1:
		name, t := a.randomTable()
		column := a.name("c")
		t.Columns = append(t.Columns, column)
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s int NOT NULL DEFAULT 0", a.ref(name), column)
	case 2, 3:
		name, t := a.randomTable()
		n := 1 + a.IntN(200)
		t.Rows += n
		t.Sum += n * (n + 1) / 2
		return fmt.Sprintf("INSERT INTO %s (id) SELECT generate_series(1, %d)", a.ref(name), n)
	case 4:
		name, t := a.randomTable()
		n := 1 + a.IntN(9)
		t.Sum += t.Rows * n
		return fmt.Sprintf("UPDATE %s SET id = id + %d", a.ref(name), n)
	case 5:
		return a.index("")
	default:
		return a.sleep()
	}
}

// nonTransactionalStatement returns a statement that cannot run in a transaction.
func (a *generator) nonTransactionalStatement() string {
	name, t := a.randomTable()
	switch last := len(t.Indexes) - 1; {
	case a.IntN(5) == 0:
		return "VACUUM " + a.ref(name)
	case last >= 0 && a.IntN(4) == 0:
		index := t.Indexes[last]
		t.Indexes = t.Indexes[:last]
		return "DROP INDEX CONCURRENTLY " + a.ref(index)
	default:
		return a.index("CONCURRENTLY ")
	}
}

func (a *generator) create() string {
	name := a.name("t")
	if a.schema != "" {
		name = a.schema + "." + name
	}
	a.names = append(a.names, name)
	a.set.Tables[name] = &Table{Columns: []string{"id"}}
	return fmt.Sprintf("CREATE TABLE %s (id int)", a.ref(name))
}

func (a *generator) index(how string) string {
	name, t := a.randomTable()
	index := a.name("i")
	if schema, _, nonTransactional := strings.Cut(name, "."); nonTransactional {
		t.Indexes = append(t.Indexes, schema+"."+index)
	} else {
		t.Indexes = append(t.Indexes, index)
	}
	if how != "" {
		a.set.Slept += transaction
	}
	return fmt.Sprintf("CREATE INDEX %s%s ON %s (id)", how, index, a.ref(name))
}

func (a *generator) sleep() string {
	ms := 1 + a.IntN(30)
	a.set.Slept += time.Duration(ms) * time.Millisecond
	return fmt.Sprintf("SELECT pg_sleep(%.3f)", float64(ms)/1000)
}

func (a *generator) randomTable() (string, *Table) {
	for {
		if name := a.names[a.IntN(len(a.names))]; name != a.hidden || len(a.names) == 1 {
			return name, a.set.Tables[name]
		}
	}
}

func (a *generator) name(prefix string) string {
	a.n++
	return fmt.Sprintf("%s%d", prefix, a.n)
}

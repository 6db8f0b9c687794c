package faultinjection

import (
	"fmt"
	"slices"
	"strings"
)

// A state is the expected state of a migration's session when it logs itself: none of
// another migration's changes, and all of its own, also after an interruption. Empty fields
// stand for the session's defaults.
type state struct{ path, zone, role string }

// appRole is a role that the migrations may SET ROLE to.
const appRole = "chaos_app"

// appSchema is the schema that migrations with a search_path work in.
const appSchema = "shop"

// advisoryKey is the key of the lock that a migration leaves in its session.
const advisoryKey = 4711

// createLog creates a table with a column for each part of a state. It has no key, so that a second run shows.
const createLog = `CREATE TABLE chaos_log (version int, path text DEFAULT current_setting('search_path'), zone text DEFAULT current_setting('TimeZone'), role text DEFAULT current_user)`

// sessionStart are the first statements of a set with session state.
var sessionStart = []string{"CREATE SCHEMA " + appSchema, "GRANT ALL ON SCHEMA " + appSchema + " TO " + appRole}

// noLock is a statement that fails in a session with another migration's advisory lock. Each file
// of a set with session state has it.
const noLock = "SELECT 1 / (SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND (classid, objid, objsubid) = (0, %d, 1))::int"

// session adds a change of the session to a migration, on which its other statements depend.
func (a *generator) session(m *Migration, nonTransactional bool) {
	m.Statements = append(m.Statements, fmt.Sprintf(noLock, advisoryKey))
	kinds := []func(*Migration){a.path, a.config, a.zone}
	if !nonTransactional { // Shiplock rejects changes that it cannot restore in a file that may be resumed
		kinds = append(kinds, a.temporary, a.role, a.prepared, a.advisory)
	}
	kinds[a.IntN(len(kinds))](m)
}

func (a *generator) path(m *Migration) {
	m.Statements = append(m.Statements, "SET search_path = "+appSchema+", public")
	a.inAppSchema(m)
}

func (a *generator) config(m *Migration) {
	m.Statements = append(m.Statements, "SELECT set_config('search_path', '"+appSchema+", public', false)")
	a.inAppSchema(m)
}

// inAppSchema creates a table in the first schema of the search path.
func (a *generator) inAppSchema(m *Migration) {
	m.State.path = appSchema + ", public"
	a.schema = appSchema
	m.Statements = append(m.Statements, a.create())
}

func (a *generator) zone(m *Migration) {
	m.State.zone = "Asia/Tokyo"
	m.Statements = append(m.Statements, "SET TIME ZONE 'Asia/Tokyo'")
}

// temporary creates a temporary table that hides a permanent one, and changes its rows.
func (a *generator) temporary(m *Migration) {
	if len(a.names) == 1 {
		a.zone(m) // the other statements need a table that is not hidden
		return
	}
	name, _ := a.plainTable()
	m.Statements = append(m.Statements,
		fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT n AS id FROM generate_series(1, %d) n", name, 1+a.IntN(20)),
		fmt.Sprintf("UPDATE %s SET id = id + 1", name), "DELETE FROM "+name)
	a.hidden = name
}

func (a *generator) role(m *Migration) {
	m.State.role, a.asAppRole = appRole, true
	m.Statements = append(m.Statements, "SET ROLE "+appRole)
}

func (a *generator) prepared(m *Migration) {
	name, t := a.randomTable()
	t.Rows++
	t.Sum++
	m.Statements = append(m.Statements, fmt.Sprintf("PREPARE chaos_insert AS INSERT INTO %s (id) VALUES (1)", a.ref(name)), "EXECUTE chaos_insert")
}

func (a *generator) advisory(m *Migration) {
	m.Statements = append(m.Statements, fmt.Sprintf("SELECT pg_advisory_lock(%d)", advisoryKey))
}

// ref returns the name of a table or an index for a statement. It omits the schema that is in the
// session's search_path, so that the statement fails in a session without it.
func (a *generator) ref(name string) string {
	if a.schema != "" {
		return strings.TrimPrefix(name, a.schema+".")
	}
	return name
}

// plainTable returns a random table of the schema public.
func (a *generator) plainTable() (string, *Table) {
	var plain []string
	for _, n := range a.names {
		if !strings.Contains(n, ".") {
			plain = append(plain, n)
		}
	}
	name := plain[a.IntN(len(plain))]
	return name, a.set.Tables[name]
}

// checkSessions compares the session state that each migration logged with the expected one.
func (o *checker) checkSessions() {
	if o.value(`SELECT to_regclass('chaos_log')`) == "" {
		return
	}
	zone := o.value("SELECT current_setting('TimeZone')")
	for _, m := range o.set.Migrations {
		want := m.State
		if want.path == "" {
			want.path = `"$user", public`
		}
		if want.zone == "" {
			want.zone = zone
		}
		if want.role == "" {
			want.role = o.database.owner
		}
		if n := o.value(`SELECT count(*) FROM chaos_log WHERE version = $1 AND (path, zone, role) IS DISTINCT FROM ($2, $3, $4)`, m.Version, want.path, want.zone, want.role); n != "0" && n != "" {
			o.add(Incorrect, "migration %d ran with a wrong session state: %s", m.Version,
				o.value(`SELECT string_agg(concat_ws(' / ', path, zone, role), ', ') FROM chaos_log WHERE version = $1`, m.Version))
		}
	}
}

// checkTables finds tables that are not in the set, such as those in a wrong schema.
func (o *checker) checkTables(tl *tool) {
	for _, t := range o.list(`SELECT pg_catalog.format('%s%s', CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`) {
		if o.set.Tables[t] == nil && t != "chaos_log" && !slices.Contains(tl.tables, t) {
			o.add(Incorrect, "table %s is not one of the set", t)
		}
	}
}

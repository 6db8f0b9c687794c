package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/bench/result"
	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// changes are changes to a table in use, as PostgreSQL's manual recommends (ALTER TABLE, "Notes"): no scan
// runs under a lock that blocks the application.
var changes = []struct {
	name, title string
	all         []migration
}{
	{"add-column", "ADD COLUMN", []migration{{up: "ALTER TABLE accounts ADD COLUMN memo text;\n", down: "ALTER TABLE accounts DROP COLUMN memo;\n"}}},
	{"index", "CREATE INDEX CONCURRENTLY", []migration{{up: "CREATE INDEX CONCURRENTLY accounts_owner ON accounts (owner);\n", down: "DROP INDEX CONCURRENTLY accounts_owner;\n", alone: true}}},
	{"not-null", "NOT NULL, by a CHECK that is validated", []migration{
		{up: "ALTER TABLE accounts ADD CONSTRAINT noted CHECK (note IS NOT NULL) NOT VALID;\n", down: "ALTER TABLE accounts DROP CONSTRAINT noted;\n"},
		{up: "ALTER TABLE accounts VALIDATE CONSTRAINT noted;\n", down: "SELECT 1;\n"},
		{up: "ALTER TABLE accounts ALTER COLUMN note SET NOT NULL, DROP CONSTRAINT noted;\n", down: "SELECT 1;\n"},
	}},
	{"foreign-key", "FOREIGN KEY, validated", []migration{
		{up: "ALTER TABLE accounts ADD CONSTRAINT owned FOREIGN KEY (owner) REFERENCES owners NOT VALID;\n", down: "ALTER TABLE accounts DROP CONSTRAINT owned;\n"},
		{up: "ALTER TABLE accounts VALIDATE CONSTRAINT owned;\n", down: "SELECT 1;\n"},
	}},
}

// application measures the effect on the application when a table in use is changed while another session
// reads it slowly.
func application(t *testing.T, s scale) result.Figure {
	f := result.Figure{
		Title: "Effect on the application",
		How: fmt.Sprintf("A table of %d rows, read and updated by %d clients. Another session's transaction has read it and stays open for %s. "+
			"The tool starts half a second later. The table has the duration of the application's longest query, and in brackets that of the tool. The plots show the longest running query of each 0.1 s", s.rows, clients, s.hold),
	}
	table := result.Table{Header: []string{"tool"}}
	for _, c := range changes {
		table.Header = append(table.Header, c.title)
		f.Plots = append(f.Plots, result.Plot{Name: "application-" + c.name, Title: c.title + ": the longest query under way", X: "seconds", Y: "milliseconds", LogY: true})
	}
	var worst time.Duration
	longest := map[string]time.Duration{}
	for _, tl := range tools(t) {
		row := []string{tl.Name}
		t.Run(tl.Name, func(t *testing.T) {
			d := inUse(t, s)
			dir, version := tl.folder(t, nil), 1
			for i, c := range changes {
				if !tl.hasVersionTable { // otherwise it would repeat the earlier ones
					dir, version = tl.folder(t, nil), 1
				}
				tl.add(t, dir, c.all, version)
				version += len(c.all)
				effect, took := measureEffect(t, tl, dir, d, s.hold)
				row = append(row, fmt.Sprintf("%s (%s)", seconds(effect.longest), seconds(took)))
				f.Plots[i].Series = append(f.Plots[i].Series, result.Series{Name: tl.Name, Points: effect.points()})
				if tl.Name == "shiplock" {
					worst = max(worst, effect.longest)
				} else {
					longest[tl.Name] = max(longest[tl.Name], effect.longest)
				}
			}
			require.Equal(t, "1 1 1 1", d.Value(t, `SELECT concat_ws(' ', (SELECT count(*) FROM pg_attribute WHERE attrelid = 'accounts'::regclass AND attname = 'memo'),
				(SELECT count(*) FROM pg_index WHERE indexrelid = 'accounts_owner'::regclass AND indisvalid),
				(SELECT count(*) FROM pg_attribute WHERE attrelid = 'accounts'::regclass AND attname = 'note' AND attnotnull),
				(SELECT count(*) FROM pg_constraint WHERE conname = 'owned' AND convalidated))`), tl.Name)
		})
		table.Rows = append(table.Rows, row)
	}
	require.False(t, t.Failed())
	f.Tables = []result.Table{table}
	limit := config.DefaultLockTimeout + 500*time.Millisecond
	var others []string
	for _, tl := range tools(t)[1:] {
		others = append(others, fmt.Sprintf("%s %s", tl.Name, seconds(longest[tl.Name])))
	}
	f.Goals = []result.Goal{goal(fmt.Sprintf("longest stall at most %s, the lock timeout and half a second", limit), seconds(worst)+"; "+strings.Join(others, ", "), worst <= limit)}
	return f
}

// inUse returns a database with the table.
func inUse(t *testing.T, s scale) *pgtest.Database {
	t.Helper()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf(`CREATE TABLE owners (id int PRIMARY KEY);
		INSERT INTO owners SELECT generate_series(0, 999);
		CREATE TABLE accounts (id bigint NOT NULL, owner int NOT NULL, balance bigint NOT NULL DEFAULT 0, note text) WITH (fillfactor = 90);
		INSERT INTO accounts SELECT i, i %% 1000, 0, 'opened' FROM generate_series(1, %d) i;
		ALTER TABLE accounts ADD PRIMARY KEY (id);
		ALTER TABLE owners OWNER TO %[2]s; ALTER TABLE accounts OWNER TO %[2]s`, s.rows, pq.QuoteIdentifier(d.User)))
	d.Exec(t, "VACUUM ANALYZE accounts")
	return d
}

// measureEffect runs a tool on a table in use. It returns the latency of the application's queries and the tool's
// duration.
func measureEffect(t *testing.T, tl *tool, dir string, d *pgtest.Database, hold time.Duration) (effect *latency, took time.Duration) {
	t.Helper()
	l := startLoad(t, d)
	reader, err := d.Open(t).Begin()
	require.NoError(t, err)
	_, err = reader.Exec("SELECT FROM accounts WHERE id = 1")
	require.NoError(t, err)
	release := func() { _ = reader.Rollback() } // it has only read, and may have ended
	timer := time.AfterFunc(hold, release)
	l.warm(t)
	took = mustRun(t, tl.up(dir, d)).wall
	timer.Stop()
	release()
	<-time.After(after) // the queued queries end and are in the plot
	return l.stop(t), took
}

package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/postgres"
)

var rollbacks = flag.Int("rollbacks", 12, "number of rollbacks to strike")

// release is a folder of v1, one of v2, and how often each down of v2 counts itself.
type release struct {
	v1, v2 string
	counts map[int]int
}

// newRelease writes the two folders of a seed. Versions above 1 are only in v2, each
// with a down that says in chaos_downs that it has run.
func newRelease(t *testing.T, seed uint64) release {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	out := release{v1: t.TempDir(), v2: t.TempDir(), counts: map[int]int{}}
	write := func(dir string, version int, direction, sql string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d_x.%s.sql", version, direction)), []byte(sql), 0o600))
	}
	for _, dir := range []string{out.v1, out.v2} {
		write(dir, 1, "up", "CREATE TABLE t (id int);\nINSERT INTO t SELECT generate_series(1, 500);\nCREATE TABLE chaos_downs (version int);\n")
		write(dir, 1, "down", "DROP TABLE chaos_downs;\nDROP TABLE t;\n")
	}
	for v := 2; v < 5+r.IntN(4); v++ {
		count, sleep := fmt.Sprintf("INSERT INTO chaos_downs VALUES (%d);\n", v), fmt.Sprintf("SELECT pg_sleep(%.3f);\n", r.Float64()/50)
		out.counts[v] = 1
		switch r.IntN(4) {
		case 0:
			write(out.v2, v, "up", fmt.Sprintf("CREATE TABLE t%d (id int);\n", v))
			write(out.v2, v, "down", count+sleep+fmt.Sprintf("DROP TABLE t%d;\n", v))
		case 1:
			write(out.v2, v, "up", fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d int NOT NULL DEFAULT 1;\n", v))
			write(out.v2, v, "down", fmt.Sprintf("ALTER TABLE t DROP COLUMN c%d;\n", v)+sleep+count)
		case 2:
			write(out.v2, v, "up", fmt.Sprintf("CREATE INDEX CONCURRENTLY i%d ON t (id);\n", v))
			write(out.v2, v, "down", fmt.Sprintf("DROP INDEX CONCURRENTLY i%d;\n", v))
			delete(out.counts, v) // it has its file to itself
		default:
			write(out.v2, v, "up", fmt.Sprintf("CREATE INDEX i%d ON t (id);\n", v))
			write(out.v2, v, "down", count+fmt.Sprintf("DROP INDEX CONCURRENTLY i%d;\n", v)+sleep+count)
			out.counts[v] = 2
		}
	}
	return out
}

// TestARollbackIsStruck strikes `down --to-files` with v1's folder, which has no file
// of what it undoes, and runs it again until it is done. Then the schema is the one
// before v2, each down has run once, the journal says so, and v2 can come again.
func TestARollbackIsStruck(t *testing.T) {
	if testing.Short() {
		t.Skip("strikes real processes")
	}
	tool := *shiplock(t)
	for n := range *rollbacks {
		t.Run(fmt.Sprint(*seed+uint64(n)), func(t *testing.T) {
			rollback(t, tool, *seed+uint64(n))
		})
	}
}

func rollback(t *testing.T, tool tool, seed uint64) {
	t.Helper()
	strike := NewStrike(seed, Kind(*only))
	if strike.Kind == Restart || strike.Kind == Crash {
		strike.Kind = SIGKILL // the server is shared
	}
	r, p := newRelease(t, seed), newPlace(t, nil)
	x := newProxy(t, p.addr)
	url := p.through(t, x)
	verb := func(dir string, words ...string) ended {
		tool.args = func(*Set, string, string) []string { return append(words, "--source", dir) }
		e, err := tool.run(nil, dir, url, func(func(syscall.Signal) error) {})
		require.NoError(t, err)
		require.Zero(t, e.code, e.stderr)
		return e
	}
	down := []string{"down", "--to-files", "--allow-data-loss"}
	verb(r.v1, "up")
	before := schema(t, p)
	verb(r.v2, "up")
	x.mu.Lock()
	answers, began := x.answers, time.Now()
	x.mu.Unlock()
	verb(r.v1, down...) // undisturbed, to know when to strike
	took := time.Since(began)
	require.Equal(t, before, schema(t, p))
	verb(r.v2, "up")

	x.mu.Lock()
	seen, each := x.answers, x.answers-answers
	x.mu.Unlock()
	st := &striker{strike: strike, place: p, proxy: x}
	if strike.ByAnswer {
		st.arm(seen+1+int(strike.At*float64(each)/2), 0) // the other half was the up
	} else {
		st.arm(0, time.Duration(strike.At*float64(took)))
	}
	tool.args = func(*Set, string, string) []string { return append(down, "--source", r.v1) }
	first, err := tool.run(nil, r.v1, url, func(f func(syscall.Signal) error) { st.signal = f })
	require.NoError(t, err)
	struck := st.disarm()
	v := verdict{tool: &tool, seed: seed, kind: strike.Kind}
	last := tool.rerun(t, nil, r.v1, url, p, first, &v)
	require.NoError(t, st.settled())
	p.quiet(t)
	require.Zero(t, last.code, "struck by %s (%t): %s", strike.Kind, !struck.IsZero(), last.stderr)
	assert.True(t, tool.allows(strike.Kind, first.code), "%s: exit code %d: %s", strike.Kind, first.code, first.stderr)
	t.Logf("%s, struck: %t, exit code %d, %d reruns", strike.Kind, !struck.IsZero(), first.code, v.reruns)

	assert.Equal(t, before, schema(t, p), "the schema is the one before v2")
	var want []string
	for version := range 10 {
		if n := 2 * r.counts[version]; n > 0 { // once undisturbed, once struck
			want = append(want, fmt.Sprintf("%d:%d", version, n))
		}
	}
	for query, want := range map[string]string{
		"SELECT string_agg(version || ':' || n, ' ' ORDER BY version) FROM (SELECT version, count(*) n FROM chaos_downs GROUP BY 1) q":                                                       strings.Join(want, " "),
		"SELECT version || ' ' || dirty FROM schema_migrations":                                                                                                                              "1 false",
		"SELECT count(*) FROM (SELECT DISTINCT ON (version) * FROM schema_migrations_journal ORDER BY version, id DESC) n WHERE version > 1 AND (direction, outcome) <> ('down', 'applied')": "0",
		"SELECT count(*) FROM pg_index WHERE NOT indisvalid":                                                                                                                                 "0",
	} {
		got, err := p.value(query)
		require.NoError(t, err)
		assert.Equal(t, want, got, query)
	}
	verb(r.v2, "up")
}

// schema is the database's schema as one sum.
func schema(t *testing.T, p *place) string {
	t.Helper()
	dsn, err := config.ParseDSN(p.url)
	require.NoError(t, err)
	db, err := postgres.Open(t.Context(), postgres.Options{DSN: dsn, Table: config.DefaultTable})
	require.NoError(t, err)
	defer db.Close()
	f, err := db.Fingerprint(t.Context())
	require.NoError(t, err)
	return f.Sum()
}

package chaos

import (
	"flag"
	"fmt"
	"maps"
	"slices"
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

// ways are how a release goes back, each with v1's folder, which has no file of what
// it undoes.
var ways = [][]string{{"down", "--to-files", "--allow-data-loss"}, {"up", "--on-newer", "down", "--allow-data-loss"}}

// TestARollbackIsStruck strikes each, and runs it again until it is done. Then the
// schema is the one before v2, each down has run once, the journal says so, and v2
// can come again.
func TestARollbackIsStruck(t *testing.T) {
	if testing.Short() {
		t.Skip("strikes real processes and servers")
	}
	began := time.Now()
	f := &field{servers: make(chan *server, ownServers)}
	for _, way := range ways {
		tl := shiplock(t)
		tl.name = "`" + strings.Join(way[:len(way)-1], " ") + "`"
		f.tools = append(f.tools, tl)
	}
	for n := range ownServers {
		f.servers <- newServer(t, ownServers+n)
	}
	verdicts := f.rollBack(t)
	require.Len(t, verdicts, *rollbacks)
	result := renderRollbacks(f.tools, verdicts, time.Since(began))
	fmt.Println(result)
	if *report != "" {
		require.NoError(t, splice(*report, "", result))
	}
	for _, v := range verdicts {
		assert.Equal(t, Recovered, v.outcome, "%s, seed %d, %s (struck: %t), exit code %d, %d reruns: %s\nagain: go test ./internal/chaos -run TestARollback -rollbacks 1 -seed %d",
			v.tool.name, v.seed, v.kind, v.struck, v.code, v.reruns, v.detail, v.seed)
	}
}

func (f *field) rollBack(t *testing.T) []verdict {
	t.Helper()
	var seeds []uint64
	for i := range *rollbacks {
		seeds = append(seeds, *seed+uint64(i))
	}
	return atWork(t, seeds, func(seed uint64) string { return fmt.Sprint(seed) }, f.rollback)
}

func (f *field) rollback(t *testing.T, seed uint64) verdict {
	t.Helper()
	n := seed % uint64(len(ways))
	tool, way := *f.tools[n], ways[n]
	strike := NewStrike(seed, Kind(*only))
	r, p := newRelease(t, seed), newPlace(t, f.own(t, strike.Kind))
	verb := func(url, dir string, words ...string) {
		tool.args = func(*Set, string, string) []string { return append(words, "--source", dir) }
		e, err := tool.run(nil, dir, url, func(func(syscall.Signal) error) {})
		require.NoError(t, err)
		require.Zero(t, e.code, e.stderr)
	}
	verb(p.url, r.v1, "up")
	before := schema(t, p)
	verb(p.url, r.v2, "up")
	calm := newProxy(t, p.addr)
	verb(p.through(t, calm), r.v1, way...) // undisturbed, to know when to strike
	answers, took := calm.seen()
	require.Equal(t, before, schema(t, p))
	verb(p.url, r.v2, "up")

	x := newProxy(t, p.addr)
	url := p.through(t, x)
	st := &striker{strike: strike, place: p, proxy: x}
	if strike.ByAnswer {
		st.arm(1+int(strike.At*float64(answers)), 0)
	} else {
		st.arm(0, time.Duration(strike.At*float64(took)))
	}
	tool.args = func(*Set, string, string) []string { return append(way, "--source", r.v1) }
	first, err := tool.run(nil, r.v1, url, func(f func(syscall.Signal) error) { st.signal = f })
	require.NoError(t, err)
	struck := st.disarm()
	v := verdict{tool: f.tools[n], seed: seed, kind: strike.Kind, class: r.class, code: first.code, struck: !struck.IsZero()}
	last := tool.rerun(t, nil, r.v1, url, p, first, &v)
	require.NoError(t, st.settled())
	p.quiet(t)
	findings := []finding{}
	switch {
	case last.hung:
		findings = append(findings, finding{Hung, tail(last.stderr)})
	case last.code != 0:
		findings = append(findings, finding{Person, tail(last.stderr)})
	default:
		findings = r.undone(t, p, before)
		verb(p.url, r.v2, "up")
	}
	if !tool.allows(strike.Kind, first.code) || !v.struck && first.code != 0 {
		findings = append(findings, finding{Misled, fmt.Sprintf("exit code %d: %s", first.code, tail(first.stderr))})
	}
	v.outcome, v.detail = judge(findings)
	return v
}

// undone looks whether v2 is gone, each of its downs has run once, and the journal
// says so.
func (r release) undone(t *testing.T, p *place, before string) []finding {
	t.Helper()
	o := &oracle{place: p}
	if schema(t, p) != before {
		o.find(Wrong, "the schema is not the one before v2")
	}
	for _, version := range slices.Sorted(maps.Keys(r.counts)) { // once undisturbed, once struck
		o.number(fmt.Sprintf("runs of the down of version %d", version), 2*r.counts[version], o.value("SELECT count(*) FROM chaos_downs WHERE version = $1", version))
	}
	for query, want := range map[string]string{
		"SELECT version || ' ' || dirty FROM schema_migrations": "1 false",
		"SELECT count(*) FROM (SELECT DISTINCT ON (migration_version) * FROM schema_migrations_history ORDER BY migration_version, run_id DESC) n WHERE migration_version > 1 AND (run_direction, run_outcome) <> ('down', 'applied')": "0",
		"SELECT count(*) FROM pg_index WHERE NOT indisvalid": "0",
	} {
		if got := o.value(query); got != want {
			o.find(Wrong, "%q, want %q: %s", got, want, query)
		}
	}
	require.NoError(t, o.err)
	return o.findings
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

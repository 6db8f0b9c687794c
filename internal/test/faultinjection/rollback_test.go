package faultinjection

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
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/schema"
)

var rollbacks = flag.Int("rollbacks", 12, "number of rollbacks to inject a fault into")

// rollbackCommands are the commands that roll back a release. They run with v1's folder, which has no
// files of the migrations that they roll back.
var rollbackCommands = [][]string{{"down", "--to-files", "--allow-data-loss"}, {"up", "--on-newer", "down", "--allow-data-loss"}}

// TestRollback_InjectedFault_Recovers injects a fault into each rollback and repeats it until it
// succeeds. The schema then equals the one before v2, each down has run once according to the history
// table, and v2 can be applied again.
func TestRollback_InjectedFault_Recovers(t *testing.T) {
	if testing.Short() {
		t.Skip("injects faults into real processes and servers")
	}
	began := time.Now()
	s := &suite{servers: make(chan *server, ownServers)}
	for _, command := range rollbackCommands {
		tl := shiplock(t)
		tl.Name = "`" + strings.Join(command[:len(command)-1], " ") + "`"
		s.tools = append(s.tools, tl)
	}
	for n := range ownServers {
		s.servers <- newServer(t, ownServers+n)
	}
	results := s.runRollbacks(t)
	require.Len(t, results, *rollbacks)
	result := renderRollbacks(s.tools, results, time.Since(began))
	fmt.Println(result)
	if *report != "" {
		require.NoError(t, splice(*report, "", result))
	}
	for _, v := range results {
		assert.Equal(t, Recovered, v.outcome, "%s, seed %d, %s (injected: %t), exit code %d, %d reruns: %s\nagain: go test ./internal/test/faultinjection -run TestRollback_InjectedFault -rollbacks 1 -seed %d",
			v.tool.Name, v.seed, v.kind, v.injected, v.code, v.reruns, v.detail, v.seed)
	}
}

func (s *suite) runRollbacks(t *testing.T) []roundResult {
	t.Helper()
	var seeds []uint64
	for i := range *rollbacks {
		seeds = append(seeds, *seed+uint64(i))
	}
	return runParallel(t, seeds, func(seed uint64) string { return fmt.Sprint(seed) }, s.runRollback)
}

func (s *suite) runRollback(t *testing.T, seed uint64) roundResult {
	t.Helper()
	n := seed % uint64(len(rollbackCommands))
	tool, command := *s.tools[n], rollbackCommands[n]
	fault := NewFault(seed, Kind(*only))
	r, p := newRelease(t, seed), newDatabase(t, s.dedicatedServer(t, fault.Kind))
	migrate := func(url, dir string, words ...string) {
		tool.args = func(*Set, string, string) []string { return append(words, "--source", dir) }
		e, err := tool.run(nil, dir, url, func(func(syscall.Signal) error) {})
		require.NoError(t, err)
		require.Zero(t, e.code, e.stderr)
	}
	migrate(p.url, r.v1, "up")
	before := schemaDigest(t, p)
	migrate(p.url, r.v2, "up")
	undisturbed := newProxy(t, p.addr)
	migrate(p.urlThrough(t, undisturbed), r.v1, command...) // without a fault, to measure its duration
	answers, duration := undisturbed.stats()
	require.Equal(t, before, schemaDigest(t, p))
	migrate(p.url, r.v2, "up")

	x := newProxy(t, p.addr)
	url := p.urlThrough(t, x)
	st := &injector{fault: fault, database: p, proxy: x}
	if fault.ByAnswer {
		st.arm(1+int(fault.At*float64(answers)), 0)
	} else {
		st.arm(0, time.Duration(fault.At*float64(duration)))
	}
	tool.args = func(*Set, string, string) []string { return append(command, "--source", r.v1) }
	first, err := tool.run(nil, r.v1, url, func(s func(syscall.Signal) error) { st.signal = s })
	require.NoError(t, err)
	injected := st.disarm()
	v := roundResult{tool: s.tools[n], seed: seed, kind: fault.Kind, class: r.class, code: first.code, injected: !injected.IsZero()}
	last := tool.rerun(t, nil, r.v1, url, p, first, &v)
	require.NoError(t, st.wait())
	p.waitUntilIdle(t)
	findings := []finding{}
	switch {
	case last.hung:
		findings = append(findings, finding{Hung, tail(last.stderr)})
	case last.code != 0:
		findings = append(findings, finding{NeedsManualRepair, tail(last.stderr)})
	default:
		findings = r.checkRolledBack(t, p, before)
		migrate(p.url, r.v2, "up")
	}
	if !tool.allowsExitCode(fault.Kind, first.code) || !v.injected && first.code != 0 {
		findings = append(findings, finding{WrongExitCode, fmt.Sprintf("exit code %d: %s", first.code, tail(first.stderr))})
	}
	v.outcome, v.detail = worstOutcome(findings)
	return v
}

// checkRolledBack checks that v2 is rolled back, that each of its downs has run once, and that
// the history table records it.
func (r release) checkRolledBack(t *testing.T, p *database, before string) []finding {
	t.Helper()
	o := &checker{database: p}
	if schemaDigest(t, p) != before {
		o.add(Incorrect, "the schema is not the one before v2")
	}
	for _, version := range slices.Sorted(maps.Keys(r.counts)) { // once without a fault, once with one
		o.compareNumber(fmt.Sprintf("runs of the down of version %d", version), 2*r.counts[version], o.value("SELECT count(*) FROM chaos_downs WHERE version = $1", version))
	}
	for query, want := range map[string]string{
		"SELECT version || ' ' || dirty FROM schema_migrations": "1 false",
		"SELECT count(*) FROM (SELECT DISTINCT ON (migration_version) * FROM schema_migrations_history ORDER BY migration_version, run_id DESC) n WHERE migration_version > 1 AND (run_direction, run_outcome) <> ('down', 'applied')": "0",
		"SELECT count(*) FROM pg_index WHERE NOT indisvalid": "0",
	} {
		if got := o.value(query); got != want {
			o.add(Incorrect, "%q, want %q: %s", got, want, query)
		}
	}
	require.NoError(t, o.err)
	return o.findings
}

// schemaDigest returns a digest of the database's schema.
func schemaDigest(t *testing.T, p *database) string {
	t.Helper()
	dsn, err := dsn.Parse(p.url)
	require.NoError(t, err)
	store, err := history.Open(t.Context(), postgres.Options{DSN: dsn}, history.Options{Table: config.DefaultTable})
	require.NoError(t, err)
	defer store.Close()
	s, err := schema.NewReader(store).Fingerprint(t.Context())
	require.NoError(t, err)
	return s.Sum()
}

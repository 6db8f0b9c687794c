package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// TestUp_TwentyProcesses_EachMigrationOnce runs migrations of every kind. A process that waited for
// the lock in the server would hold a snapshot, and CREATE INDEX CONCURRENTLY would wait for it.
func TestUp_TwentyProcesses_EachMigrationOnce(t *testing.T) {
	const processes = 20
	d := pgtest.New(t)
	dir := t.TempDir()
	files := []string{
		"CREATE TABLE log (version int); INSERT INTO log VALUES (1)",
		"INSERT INTO log VALUES (2); SELECT pg_sleep(0.3)",
		"CREATE INDEX CONCURRENTLY i ON log (version)",
		"INSERT INTO log VALUES (4); VACUUM log; INSERT INTO log VALUES (44)",
		"-- shiplock:no-transaction\nDO $$ BEGIN COMMIT; INSERT INTO log VALUES (5); COMMIT; PERFORM pg_sleep(0.3); END $$",
		"INSERT INTO log VALUES (6)",
	}
	for i, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d_x.up.sql", i+1)), []byte(text), 0o600))
	}
	var all sync.WaitGroup
	for range processes {
		cmd, stderr := start(t, d, dir)
		all.Go(func() { assert.NoError(t, cmd.Wait(), stderr) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	held := watchLocks(t, d, done)
	assert.Positive(t, held["granted"], "no sample has a lock holder")
	assert.Zero(t, held["waiting"], "samples with a process waiting in the server")
	assert.Equal(t, "1 2 4 5 6 44", d.Value(t, "SELECT string_agg(version::text, ' ' ORDER BY version) FROM log"))
	assert.Equal(t, "6 6 t", d.Value(t, "SELECT concat_ws(' ', count(*), count(DISTINCT migration_version), bool_and(run_outcome = 'applied')) FROM schema_migrations_history"))
	assert.Equal(t, "6 f", d.Value(t, "SELECT concat(version, ' ', dirty) FROM schema_migrations"))
}

// watchLocks samples the advisory locks until done, and returns the number of samples with a granted
// lock and with a waiting process.
func watchLocks(t *testing.T, d *pgtest.Database, done <-chan struct{}) map[string]int {
	t.Helper()
	held := map[string]int{}
	for {
		select {
		case <-done:
			return held
		default:
		}
		for what, condition := range map[string]string{"granted": "granted", "waiting": "NOT granted"} {
			if d.Value(t, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND "+condition+
				" AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))") == "true" {
				held[what]++
			}
		}
	}
}

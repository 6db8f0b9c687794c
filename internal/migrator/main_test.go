package migrator_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/postgres" // what most teams run today
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const table = "schema_migrations"

// newOptions returns the options of a run with the files in dir.
func newOptions(t *testing.T, d *pgtest.Database, dir string) migrator.Options {
	t.Helper()
	dsn, err := dsn.Parse(d.URL())
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	return migrator.Options{
		// A session that has just ended may still hold the lock.
		Postgres: database.Options{Options: postgres.Options{DSN: dsn, Log: log}, Tables: history.Options{Table: table}, LockWait: time.Minute},
		Source:   dir, Log: log, AllowDataLoss: true, // most are about something else
	}
}

// newGolangMigrate returns golang-migrate with its own drivers and the same files.
func newGolangMigrate(t *testing.T, d *pgtest.Database, dir string) *migrate.Migrate {
	t.Helper()
	m, err := migrate.New("file://"+dir, d.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = m.Close() })
	return m
}

// assertResult compares a result, and its steps as "VERSION NAME DIRECTION".
func assertResult(t *testing.T, want migrator.Result, wantSteps []string, got migrator.Result) {
	t.Helper()
	var steps []string
	for _, s := range got.Steps {
		steps = append(steps, fmt.Sprintf("%d %s %s", s.Migration.Version, s.Migration.Name, s.Direction))
	}
	assert.Equal(t, wantSteps, steps)
	got.Steps = nil
	assert.Equal(t, want, got)
}

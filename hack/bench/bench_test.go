// Package bench compares the migrator with its peers, in one run, on one server.
package bench

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/postgres"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/pgtest"
	"github.com/shiplock/shiplock/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// count of migrations, each of one small table, as golang-migrate's users have them after some years.
const count = 300

// tools apply a folder to an empty database, in this process where they are a
// library: starting a program is not what is compared.
var tools = []struct {
	name string
	run  func(b *testing.B, dir string, d *pgtest.Database)
}{
	{"shiplock", shiplock},
	{"golang-migrate", golangMigrate},
	{"psql", psql},
}

// BenchmarkUp applies 300 small migrations over loopback. psql, one process that
// reads all files with one transaction each, is the server's own limit.
func BenchmarkUp(b *testing.B) {
	dir := folder(b)
	for _, tool := range tools {
		b.Run(tool.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d := pgtest.New(b)
				b.StartTimer()
				tool.run(b, dir, d)
				b.StopTimer()
				require.Equal(b, fmt.Sprint(count), d.Value(b, "SELECT count(*) FROM pg_class WHERE relname LIKE 'bench\\_%' AND relkind = 'r'"))
				b.StartTimer()
			}
		})
	}
}

// BenchmarkNothingToDo is what most releases find.
func BenchmarkNothingToDo(b *testing.B) {
	dir := folder(b)
	d := pgtest.New(b)
	shiplock(b, dir, d)
	for _, tool := range tools[:2] {
		b.Run(tool.name, func(b *testing.B) {
			for b.Loop() {
				tool.run(b, dir, d)
			}
		})
	}
}

func folder(b *testing.B) string {
	dir := b.TempDir()
	for i := 1; i <= count; i++ {
		sql := fmt.Sprintf("CREATE TABLE bench_%d (id bigint PRIMARY KEY, name text NOT NULL);\n", i)
		require.NoError(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d_table.up.sql", i)), []byte(sql), 0o600))
	}
	return dir
}

func shiplock(b *testing.B, dir string, d *pgtest.Database) {
	dsn, err := config.ParseDSN(d.URL())
	require.NoError(b, err)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	_, err = engine.Up(b.Context(), engine.Options{
		Source: dir, Log: log,
		Postgres: postgres.Options{DSN: dsn, Table: config.DefaultTable, Log: log},
	})
	require.NoError(b, err)
}

func golangMigrate(b *testing.B, dir string, d *pgtest.Database) {
	m, err := migrate.New((&url.URL{Scheme: "file", Path: dir}).String(), d.URL())
	require.NoError(b, err)
	if err := m.Up(); err != migrate.ErrNoChange {
		require.NoError(b, err)
	}
	sourceErr, databaseErr := m.Close()
	require.NoError(b, sourceErr)
	require.NoError(b, databaseErr)
}

func psql(b *testing.B, dir string, d *pgtest.Database) {
	files, err := filepath.Glob(filepath.Join(dir, "*.up.sql"))
	require.NoError(b, err)
	args := []string{"--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"}
	for _, f := range files {
		args = append(args, "-c", "BEGIN", "-f", f, "-c", "COMMIT")
	}
	cmd := exec.Command("psql", args...)
	cmd.Env = append(os.Environ(), "PGHOST="+d.Host, fmt.Sprint("PGPORT=", d.Port), "PGUSER="+d.User, "PGPASSWORD="+d.Password, "PGDATABASE="+d.Name)
	out, err := cmd.CombinedOutput()
	require.NoError(b, err, string(out))
}

package cli_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// A cause is one cause of failure, produced on a real server. Its golden report has the same name.
type cause struct {
	name string
	code int
	// run produces the failure. Extra arguments are added to the command and do not change the failure.
	run func(t *testing.T, extra ...string) outcome
}

// causes returns all causes of failure that one call of the program can produce, except invalid
// arguments, which TestRun_InvalidArguments_UsageError covers.
func causes() []cause {
	out := fileCauses()
	for _, c := range []struct {
		name    string
		code    int
		produce func(*scenario)
	}{
		{"too-many-role", 3, tooManyConnectionsOfRole},
		{"too-many-database", 3, tooManyConnectionsOfDatabase},
		{"too-many", 3, tooManyConnections},
		{"starting", 3, starting},
		{"no-database", 2, noDatabase},
		{"lock-timeout", 124, lockTimeout},
		{"lock-wait", 124, lockWait},
		{"deadlock", 6, deadlock},
		{"statement-timeout", 6, statementTimeout},
		{"disk-full", 6, diskFull},
		{"temp-file-limit", 6, tempFileLimit},
		{"read-only", 6, readOnly},
		{"canceled", 6, canceled},
		{"terminated", 3, terminated},
		{"failover", 3, failover},
		{"permission-table", 6, permissionTable},
		{"permission-schema", 6, permissionSchema},
		{"permission-owner", 6, permissionOwner},
		{"permission-versions", 2, permissionVersions},
	} {
		out = append(out, cause{name: c.name, code: c.code, run: func(t *testing.T, extra ...string) outcome {
			s := &scenario{workspace: newWorkspace(t, map[string]string{}), extra: extra}
			c.produce(s)
			return s.out
		}})
	}
	return out
}

// TestUp_FailureCause_ReportMatchesGolden compares the report of each cause with its golden file.
func TestUp_FailureCause_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	for _, c := range causes() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := c.run(t, "--log-level", "debug")
			assert.Equal(t, c.code, out.code, out.err)
			golden(t, c.name, out.err)
			report := out.err[strings.LastIndex(out.err, "\nshiplock: ")+1:]
			assert.LessOrEqual(t, len(report), 4096)
			assert.Contains(t, report, "\n  next ")
			for _, never := range []string{"s3cret", "marked-secret", "\x1b"} {
				assert.NotContains(t, out.err, never)
			}
		})
	}
}

// A scenario produces a cause of failure.
type scenario struct {
	*workspace
	extra []string
	out   outcome
}

// up runs migrator up and stores the outcome.
func (s *scenario) up(args ...string) {
	s.t.Helper()
	s.out = s.run(append(append([]string{"up"}, args...), s.extra...)...)
}

// duringUp runs migrator up, and calls do when the query condition has become true.
func (s *scenario) duringUp(condition string, do func(), args ...string) {
	s.t.Helper()
	done := make(chan outcome, 1)
	args = append(append([]string{"up", "--source", s.dir, "--database-url", s.URL()}, args...), s.extra...)
	go func() { done <- call(context.WithoutCancel(s.t.Context()), args...) }()
	fixture.Eventually(s.t, s.Database, "SELECT ("+condition+")::text", "true")
	do()
	s.out = <-done
}

// openTransaction begins a transaction of another session, which stays open until the test ends or
// rolls it back.
func (s *scenario) openTransaction(queries ...string) *sql.Tx {
	s.t.Helper()
	tx, err := s.Admin().Begin()
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = tx.Rollback() })
	for _, q := range queries {
		_, err = tx.Exec(q)
		require.NoError(s.t, err, q)
	}
	return tx
}

// applyFirst applies a first migration with the given SQL, like an earlier release.
func (s *scenario) applyFirst(sql string) {
	s.t.Helper()
	s.write("1_guests.up.sql", sql)
	s.mustExit(0, "up")
}

const sleepingCondition = `EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND state = 'active' AND query LIKE '%pg_sleep%' AND wait_event = 'PgSleep')`

const sleepingBackend = `FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock' AND wait_event = 'PgSleep'`

func tooManyConnectionsOfRole(s *scenario) {
	s.Exec(s.t, fmt.Sprintf(`ALTER ROLE %q CONNECTION LIMIT 0`, s.User))
	s.write("1_x.up.sql", "SELECT 1")
	s.up("--wait-for-db", "3s")
}

func tooManyConnectionsOfDatabase(s *scenario) {
	s.Exec(s.t, fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT 0`, s.Name))
	s.write("1_x.up.sql", "SELECT 1")
	s.up("--wait-for-db", "3s")
}

// tooManyConnections uses up the connections of a server that reserves most of its 200 for superusers.
func tooManyConnections(s *scenario) {
	s.Database = s.OwnServer(s.t, "superuser_reserved_connections = 196")
	db, err := sql.Open("postgres", s.URL())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = db.Close() })
	for {
		conn, err := db.Conn(s.t.Context())
		if err != nil {
			break
		}
		s.t.Cleanup(func() { _ = conn.Close() })
	}
	s.write("1_x.up.sql", "SELECT 1")
	s.up("--wait-for-db", "3s")
}

func starting(s *scenario) {
	s.Database = s.Starting(s.t)
	s.write("1_x.up.sql", "SELECT 1")
	s.up("--wait-for-db", "3s")
}

func noDatabase(s *scenario) {
	s.write("1_x.up.sql", "SELECT 1")
	gone := *s.Database
	gone.Name = "shop"
	s.Database = &gone
	s.up()
}

func lockTimeout(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int PRIMARY KEY, email text);")
	s.openTransaction("SET LOCAL application_name = 'nightly report'", "SELECT count(*) FROM guests")
	s.write("2_phone.up.sql", "-- for the new form\nALTER TABLE guests ADD COLUMN phone text;\n")
	s.up("--lock-timeout", "600ms", "--timeout", "15s")
}

// lockWait reaches the timeout before the lock timeout, so that only the progress watcher has seen the
// blocking session.
func lockWait(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int PRIMARY KEY, email text);")
	s.openTransaction("SET LOCAL application_name = 'nightly report'", "SELECT count(*) FROM guests")
	s.write("2_phone.up.sql", "ALTER TABLE guests ADD COLUMN phone text;\n")
	s.up("--lock-timeout", "16s", "--timeout", "15s")
}

// deadlock gives the other session a longer deadlock_timeout, so that PostgreSQL always cancels the
// migration.
func deadlock(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int PRIMARY KEY); CREATE TABLE rooms (id int PRIMARY KEY);")
	tx := s.openTransaction("SET LOCAL application_name = 'booking'", "SET LOCAL deadlock_timeout = '5min'", "LOCK TABLE rooms IN ROW EXCLUSIVE MODE")
	s.write("2_phone.up.sql", "ALTER TABLE guests ADD COLUMN phone text;\nALTER TABLE rooms ADD COLUMN phone text;\n")
	other := make(chan error, 1)
	s.duringUp("EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND a.application_name = 'shiplock' AND NOT l.granted)", func() {
		go func() { _, err := tx.Exec("LOCK TABLE guests IN ROW EXCLUSIVE MODE"); other <- err }()
	}, "--lock-timeout", "0")
	require.NoError(s.t, <-other)
}

func statementTimeout(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int PRIMARY KEY, email text);")
	s.write("2_fill.up.sql", "SELECT 1;\nUPDATE guests SET email = lower(email) FROM pg_sleep(60);\n")
	s.Exec(s.t, "INSERT INTO guests VALUES (1, 'A@example.com')")
	s.up("--statement-timeout", "3s")
}

// diskFull creates a tablespace on a small file system, on a server of its own: a copy of the shared
// server made at the same time would fail.
func diskFull(s *scenario) {
	if os.Geteuid() != 0 {
		s.t.Skip("requires root to mount a small file system; temp-file-limit covers a similar error")
	}
	s.Database = s.OwnServer(s.t)
	dir, err := os.MkdirTemp("", "small")
	require.NoError(s.t, err)
	require.NoError(s.t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0777"))
	s.t.Cleanup(func() {
		s.Exec(s.t, "DROP TABLE IF EXISTS notes")
		s.Exec(s.t, "DROP TABLESPACE small")
		require.NoError(s.t, unix.Unmount(dir, 0))
		require.NoError(s.t, os.Remove(dir))
	})
	data := filepath.Join(dir, "data")
	require.NoError(s.t, os.Mkdir(data, 0o700))
	var st unix.Stat_t
	require.NoError(s.t, unix.Stat(s.Value(s.t, "SHOW data_directory"), &st))
	require.NoError(s.t, os.Chown(data, int(st.Uid), int(st.Gid)))
	s.Exec(s.t, fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", data))
	s.Exec(s.t, fmt.Sprintf("GRANT CREATE ON TABLESPACE small TO %q", s.User))
	s.write("1_notes.up.sql", "CREATE TABLE notes (id int, text text) TABLESPACE small;\nINSERT INTO notes SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n;\n")
	s.up()
}

func tempFileLimit(s *scenario) {
	s.Exec(s.t, fmt.Sprintf("ALTER ROLE %q SET temp_file_limit = '1MB'", s.User))
	s.write("1_notes.up.sql", "CREATE TABLE notes AS SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 20000) n ORDER BY 2, 1;\n")
	s.Exec(s.t, fmt.Sprintf("ALTER ROLE %q SET work_mem = '64kB'", s.User))
	s.up()
}

func readOnly(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int);")
	s.Exec(s.t, fmt.Sprintf("ALTER ROLE %q SET default_transaction_read_only = on", s.User))
	s.write("2_phone.up.sql", "ALTER TABLE guests ADD COLUMN phone text;\n")
	s.up()
}

func canceled(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int);")
	s.write("2_fill.up.sql", "SELECT 1;\nINSERT INTO guests SELECT 1 FROM pg_sleep(600);\n")
	s.duringUp(sleepingCondition, func() { s.Exec(s.t, "SELECT pg_cancel_backend(pid) "+sleepingBackend) })
}

func terminated(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int);")
	s.write("2_fill.up.sql", "SELECT 1;\nINSERT INTO guests SELECT 1 FROM pg_sleep(600);\n")
	s.duringUp(sleepingCondition, func() { s.Exec(s.t, "SELECT pg_terminate_backend(pid) "+sleepingBackend) })
}

// failover crashes the primary. No standby is promoted.
func failover(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int);")
	s.write("2_fill.up.sql", "SELECT 1;\nINSERT INTO guests SELECT 1 FROM pg_sleep(600);\n")
	pair := s.Pair(s.t)
	s.Database = pair.Primary
	done := make(chan outcome, 1)
	args := append([]string{"up", "--source", s.dir, "--database-url", pair.URL() + "&target_session_attrs=read-write", "--wait-for-db", "2s"}, s.extra...)
	go func() { done <- call(context.WithoutCancel(s.t.Context()), args...) }()
	fixture.Eventually(s.t, pair.Primary, "SELECT ("+sleepingCondition+")::text", "true")
	pair.Crash(s.t)
	s.out = <-done
}

func permissionTable(s *scenario) {
	s.Exec(s.t, `CREATE TABLE prices (id int, amount int); REVOKE ALL ON prices FROM PUBLIC`)
	s.write("1_x.up.sql", "CREATE TABLE guests (id int);\nINSERT INTO guests SELECT id FROM prices;\n")
	s.up()
}

func permissionSchema(s *scenario) {
	s.Exec(s.t, `CREATE SCHEMA billing`)
	s.write("1_x.up.sql", "CREATE TABLE billing.invoices (id int);\n")
	s.up()
}

func permissionOwner(s *scenario) {
	s.Exec(s.t, `CREATE TABLE prices (id int, amount int); GRANT ALL ON prices TO PUBLIC`)
	s.write("1_x.up.sql", "ALTER TABLE prices\n  ADD COLUMN currency text;\n")
	s.up()
}

func permissionVersions(s *scenario) {
	s.applyFirst("CREATE TABLE guests (id int);")
	s.Exec(s.t, fmt.Sprintf("REVOKE ALL ON schema_migrations FROM PUBLIC, %[1]q; ALTER TABLE schema_migrations OWNER TO postgres", s.User))
	s.write("2_x.up.sql", "SELECT 1")
	s.up()
}

// fileCauses returns the causes that the migration files, or the state of the database, produce.
func fileCauses() []cause {
	var out []cause
	for _, f := range []fileCause{
		{name: "missing-relation", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guest ADD COLUMN phone text;\n")},
		{name: "missing-relation-later", code: 6, first: bookings, files: files("2_x.up.sql", "-- the list\nINSERT INTO waiting\n  SELECT id FROM guests;\n",
			"3_waiting.up.sql", "CREATE TABLE waiting (id int);\n")},
		{name: "missing-relation-schema", code: 6, first: bookings, files: files("2_x.up.sql", "SELECT * FROM prices;\n"), prepare: "CREATE SCHEMA billing; CREATE TABLE billing.prices (id int);"},
		{name: "missing-function", code: 6, first: bookings, files: files("2_x.up.sql", "UPDATE guests SET email = lowercase(email);\n")},
		{name: "missing-schema", code: 6, first: bookings, files: files("2_x.up.sql", "CREATE TABLE billing.invoices (id int);\n")},
		{name: "missing-role", code: 6, first: bookings, files: files("2_x.up.sql", "SELECT 1;\nGRANT SELECT ON guests TO reporting;\n")},
		{name: "missing-extension", code: 6, first: bookings, files: files("2_x.up.sql", "CREATE EXTENSION postgis;\n")},
		{name: "extension-permission", code: 6, first: bookings, files: files("2_x.up.sql", "CREATE EXTENSION file_fdw;\n")},
		{name: "duplicate-table", code: 6, first: bookings, files: files("2_x.up.sql", "SELECT 1;\nCREATE TABLE guests (id int);\n")},
		{name: "duplicate-column", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests\n  ADD COLUMN phone text,\n  ADD COLUMN email text;\n")},
		{name: "foreign-key", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings\n  ADD CONSTRAINT bookings_guest_fkey FOREIGN KEY (guest) REFERENCES guests (id);\n")},
		{name: "check", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings ADD CONSTRAINT nights_positive CHECK (nights > 0);\n")},
		{name: "not-null", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests\n\tALTER COLUMN phone SET NOT NULL;\n")},
		{name: "not-null-new-column", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ADD COLUMN country text NOT NULL;\n")},
		{name: "not-null-insert", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ALTER email SET NOT NULL;\nINSERT INTO guests (id, phone) SELECT 11, reverse('terces-dekram');\n")},
		{name: "unique-index", code: 6, first: bookings, files: files("2_x.up.sql", "CREATE UNIQUE INDEX guests_email_idx ON guests (lower(email));\n")},
		{name: "unique-insert", code: 6, first: bookings, files: files("2_x.up.sql", "INSERT INTO guests (id, email) VALUES (7, 'g@example.com'), (1, 'h@example.com');\n")},
		{name: "exclusion", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings ADD CONSTRAINT one_at_a_time EXCLUDE USING gist (int4range(first, first + nights) WITH &&) WHERE (nights > 0);\n")},
		{name: "validate", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings ADD CONSTRAINT nights_positive CHECK (nights > 0) NOT VALID;\nALTER TABLE bookings VALIDATE CONSTRAINT nights_positive;\n")},
		{name: "type-using", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings ALTER COLUMN code TYPE integer;\n")},
		{name: "type-value", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE bookings ALTER COLUMN code TYPE integer USING code::integer;\n")},
		{name: "too-long", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ALTER COLUMN phone TYPE varchar(3);\n")},
		{name: "dependent-table", code: 6, first: bookings, files: files("2_x.up.sql", "DROP TABLE guests;\n")},
		{name: "dependent-column", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests DROP COLUMN email;\n")},
		{name: "dependent-type", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ALTER COLUMN email TYPE varchar(200);\n")},
		{name: "enum-value", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TYPE mood ADD VALUE 'glad';\nUPDATE guests SET mood = 'glad';\n")},
		{name: "tx-mode-all-enum-value", code: 6, first: bookings, args: []string{"--tx-mode", "all"}, files: files("2_glad.up.sql", "CREATE TABLE t (m mood);\nALTER TYPE mood ADD VALUE 'glad';\n",
			"3_use.up.sql", "INSERT INTO t VALUES ('glad');\n")},
		{name: "concurrent-unique", code: 7, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ADD COLUMN note text;\nCREATE UNIQUE INDEX CONCURRENTLY guests_email_idx ON guests (email);\n")},
		{name: "in-a-do-block", code: 6, first: bookings, files: files("2_x.up.sql", "DO $$\nBEGIN\n  UPDATE guests\n    SET nmae = 'x';\nEND $$;\n")},
		{name: "placeholder-psql", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests OWNER TO :\"owner\";\n")},
		{name: "placeholder-flyway", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests ADD COLUMN c int;\nCREATE TABLE ${schema}.t (a int);\n")},
		{name: "placeholder-template", code: 6, first: bookings, files: files("2_x.up.sql", "CREATE TABLE {{ .Values.schema }}.t (a int);\n")},
		{name: "invisible", code: 6, first: bookings, files: files("2_x.up.sql", "ALTER TABLE guests\u00a0ADD COLUMN country text;\n")},
	} {
		out = append(out, cause{name: f.name, code: f.code, run: f.run})
	}
	return out
}

// bookings is the SQL of the first release.
const bookings = `CREATE TYPE mood AS ENUM ('calm');
CREATE TABLE guests (id int PRIMARY KEY, email text, phone text, mood mood);
CREATE TABLE bookings (id int PRIMARY KEY, guest int, first int, nights int, code text);
CREATE VIEW addresses AS SELECT email FROM guests;
INSERT INTO guests SELECT n, 'guest' || n % 6 || '@example.com', CASE WHEN n < 8 THEN '12345' END FROM generate_series(1, 10) n;
INSERT INTO bookings SELECT n, n, n, n % 4, 'A' || n FROM generate_series(1, 12) n;
`

// A fileCause is a migration that fails after a first migration has been applied.
type fileCause struct {
	name           string
	code           int
	first, prepare string
	files          map[string]string
	args           []string
}

func files(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func (f fileCause) run(t *testing.T, extra ...string) outcome {
	s := &scenario{workspace: newWorkspace(t, map[string]string{}), extra: extra}
	s.applyFirst(f.first)
	if f.prepare != "" {
		s.Exec(t, f.prepare)
	}
	for name, text := range f.files {
		s.write(name, text)
	}
	s.up(f.args...)
	return s.out
}

package cli_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// newPartiallyApplied returns a workspace with a file whose second of four statements failed.
func newPartiallyApplied(t *testing.T) *workspace {
	t.Helper()
	w := newWorkspace(t, map[string]string{"1_x.up.sql": "-- shiplock:no-transaction\nCREATE TABLE log AS SELECT 1 AS n;\nINSERT INTO log SELECT 1 / 0;\nINSERT INTO log VALUES (3);\nINSERT INTO log VALUES (4);"})
	w.mustExit(7, "up")
	return w
}

const logRows = "SELECT string_agg(n::text, ',' ORDER BY n) FROM log"

func TestRepair_StatementOutcomeKnown_Refused(t *testing.T) {
	t.Parallel()
	w := newPartiallyApplied(t)
	golden(t, "known-outcome", w.mustExit(5, "repair", "--statement-applied").err)
	assert.Contains(t, w.mustExit(5, "repair", "--statement-not-applied").err, "statement 2 failed, so it was not applied")
	assert.Contains(t, w.mustExit(5, "repair", "--statement-applied=3").err, "statement 3 is not the one that failed")
	assert.Contains(t, w.mustExit(5, "repair", "--statement-applied=1").err, "statement 1 is not the one that failed")
	w.mustExit(2, "repair", "--statement-applied", "2")
	w.mustExit(2, "repair", "--statement-applied=none")
	w.mustExit(2, "repair", "--statement-applied=0")
	assert.Equal(t, "1 up partially applied 1/4", w.history())
}

func TestRepair_FailedStatementByNumber_SkippedOnce(t *testing.T) {
	t.Parallel()
	w := newPartiallyApplied(t)
	w.mustExit(0, "repair", "--statement-applied=2")
	assert.Equal(t, "1 up repaired 2/4", w.history())
	for _, again := range []string{"--statement-applied", "--statement-applied=2", "--statement-applied=3", "--statement-not-applied"} {
		assert.Contains(t, w.mustExit(5, "repair", again).err, "no statement has an unknown outcome", again)
	}
	w.mustExit(0, "up")
	assert.Equal(t, "1,3,4", w.Value(t, logRows))
	assert.Equal(t, "1 up applied 4/4", w.history())
}

// TestRepair_CountedStatement_Refused resets the history table to the state while a statement ran that is
// counted in its own transaction, or whose outcome the catalogs show.
func TestRepair_CountedStatement_Refused(t *testing.T) {
	t.Parallel()
	for statement, why := range map[string]string{
		"INSERT INTO log VALUES (2)":                             "statement 2 is counted by its own transaction",
		"CREATE INDEX CONCURRENTLY i ON log (n)":                 "the catalogs show whether statement 2 was applied",
		"BEGIN; INSERT INTO log VALUES (2); COMMIT":              "statement 2 is counted by its own transaction",
		"SET ROLE NONE; SELECT 1":                                "its statements are not counted",
		"DO $$ BEGIN INSERT INTO log VALUES (2); END $$":         "statement 2 is counted by its own transaction",
		"DO $$ BEGIN INSERT INTO log VALUES (2); COMMIT; END $$": "",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_x.up.sql": "-- shiplock:no-transaction\nCREATE TABLE log AS SELECT 1 AS n;\n" + statement + ";\nINSERT INTO log VALUES (3);\n"})
			w.run("up")
			w.Exec(t, "UPDATE schema_migrations SET dirty = true; UPDATE schema_migrations_history SET run_outcome = 'running', statements_applied = 1")
			if why == "" {
				w.mustExit(0, "repair", "--statement-applied")
				w.mustExit(5, "repair", "--statement-applied")
				return
			}
			assert.Contains(t, w.mustExit(5, "repair", "--statement-applied").err, why)
			w.mustExit(5, "repair", "--statement-applied=2")
			assert.Equal(t, "1", w.Value(t, "SELECT statements_applied FROM schema_migrations_history"))
		})
	}
}

// TestRepair_FailedInTransactionBlock_Refused covers statements that were rolled back together with the
// failed one.
func TestRepair_FailedInTransactionBlock_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_x.up.sql": "CREATE TABLE log (n int);\nVACUUM log;\nBEGIN;\nINSERT INTO log VALUES (1);\nINSERT INTO log SELECT 1 / 0;\nCOMMIT;"})
	w.mustExit(7, "up")
	for _, n := range []string{"=3", "=5", ""} {
		assert.Contains(t, w.mustExit(5, "repair", "--statement-applied"+n).err, "in a transaction that starts with statement 3")
	}
}

// TestUp_FailedIndexBuild_LeftoverReported checks that the report and repair contain the statement that
// removes the leftover index.
func TestUp_FailedIndexBuild_LeftoverReported(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE guests (email text);\nINSERT INTO guests VALUES ('a'), ('a');"})
	w.mustExit(0, "up")
	w.write("2_x.up.sql", "CREATE UNIQUE INDEX CONCURRENTLY guests_email ON guests (email);")
	reader, err := w.Admin().Begin()
	assert.NoError(t, err)
	_, err = reader.Exec("LOCK TABLE guests IN ACCESS SHARE MODE")
	assert.NoError(t, err)
	golden(t, "leftover-index", w.mustExit(7, "up").err)
	assert.Contains(t, w.mustExit(0, "repair", "--rolled-back").err, "DROP INDEX CONCURRENTLY public.guests_email")
	assert.NoError(t, reader.Rollback())

	w.Exec(t, "DROP INDEX guests_email")
	w.mustExit(6, "up")
	assert.Empty(t, w.Value(t, "SELECT to_regclass('guests_email')"))
}

func TestUp_SessionStateLost_Refused(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "CREATE TABLE guests (email text);\nINSERT INTO guests VALUES ('a'), ('a');",
		"2_x.up.sql": "CREATE TEMP TABLE guests_seen AS SELECT email FROM guests;\nCREATE UNIQUE INDEX CONCURRENTLY guests_email ON guests (email);\nDELETE FROM guests_seen;"})
	w.mustExit(7, "up")
	golden(t, "session-lost", w.mustExit(5, "up").err)
}

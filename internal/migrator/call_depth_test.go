package migrator_test

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// A stackRecorder records the stack of the log record of a server message, which lib/pq passes on
// while the statement runs.
type stackRecorder struct {
	slog.Handler
	stack *[]string // function names, from the outermost call
}

func (r stackRecorder) Handle(_ context.Context, record slog.Record) error {
	if record.Message != "server message" {
		return nil
	}
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		*r.stack = append([]string{frame.Function}, *r.stack...)
	}
	return nil
}

func (r stackRecorder) Enabled(context.Context, slog.Level) bool { return true }
func (r stackRecorder) WithAttrs([]slog.Attr) slog.Handler       { return r }

func TestUp_Statement_AtMostTwelveCallsFromUp(t *testing.T) {
	t.Parallel()
	const notice = "DO $$ BEGIN RAISE NOTICE 'here'; END $$;\n"
	for _, c := range []struct {
		name, sql string
		txMode    migrator.TxMode
	}{
		{"one transaction", notice, ""},
		{"one transaction of all migrations", notice, migrator.TxModeAll},
		{"statement by statement", "VACUUM;\n" + notice, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stack []string
			o := newOptions(t, newDatabase(t), fixture.Files(t, "-- 1_a.up.sql --\n"+c.sql+"-- 2_b.up.sql --\nSELECT 1;\n"))
			o.TxMode, o.Log = c.txMode, slog.New(stackRecorder{stack: &stack})
			o.Postgres.Log = o.Log
			_, err := migrator.Up(t.Context(), o)
			require.NoError(t, err)
			from := slices.IndexFunc(stack, func(function string) bool { return strings.HasSuffix(function, "/migrator.Up") })
			to := slices.Index(stack, "database/sql.(*Conn).ExecContext")
			require.Positive(t, from)
			require.Greater(t, to, from)
			assert.LessOrEqual(t, to-from, 12, strings.Join(stack[from:to+1], "\n"))
		})
	}
}

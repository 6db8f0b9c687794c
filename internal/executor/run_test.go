package executor

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
)

var errStop = errors.New("stop")

// A completionHook calls do when a migration is logged as completed.
type completionHook struct {
	slog.Handler
	do func()
}

func (h completionHook) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "migration completed" {
		h.do()
	}
	return h.Handler.Handle(ctx, r)
}

// The run is canceled after the commit of the first of two migrations.
func TestRun_CanceledAfterCommit_CountsMigration(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	o := teststore.Options(t, d.URL())
	o.Log = slog.New(completionHook{o.Log.Handler(), func() { cancel(errStop) }})
	migration := func(from, to int, sql string) Migration {
		return Migration{File: "x.up.sql", Open: openText(sql), From: history.State{Version: from}, To: history.State{Version: to},
			Entry: history.Entry{Version: to, Name: "x", Direction: source.Up}}
	}
	applied, executed, err := openWithOptions(t, o).Run(ctx, []Migration{migration(-1, 1, "CREATE TABLE a (b int)"), migration(1, 2, "SELECT 1")}, false)
	require.ErrorIs(t, err, errStop)
	assert.Equal(t, 1, applied)
	assert.Equal(t, 1, executed)
	assert.Equal(t, "1", d.Value(t, "SELECT version FROM schema_migrations"))
}

// The result does not depend on how fast the server answers.
func TestApply_CanceledBefore_RunsNothing(t *testing.T) {
	t.Parallel()
	db := openSession(t, pgtest.New(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	s, err := script.ParseScript([]byte("CREATE TABLE a (b int)"))
	require.NoError(t, err)
	fail := db.Apply(ctx, Migration{Script: s, From: noVersion, To: versionOne, Entry: history.Entry{Version: 1, Name: "x", Direction: "up"}})
	require.NotNil(t, fail)
	require.ErrorIs(t, fail, errStop)
	assert.Equal(t, migrationerror.RolledBack, fail.Outcome)
	require.NoError(t, db.session.Conn.PingContext(t.Context()), "no query was canceled")
}

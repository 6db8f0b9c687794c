package toolrun

import (
	"context"
	"database/sql"
	"errors"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/progress"
)

// ToolActivity describes the longest-running query of the sessions that connected from this client
// address after this session, which are likely those of the external tool.
func (tools *Tools) ToolActivity(ctx context.Context) ([]progress.Fact, error) {
	if tools.session.Shared {
		return nil, nil // an error would abort the transaction that holds the lock
	}
	var pid int
	err := tools.session.QueryRow(ctx, activity.LoginRoleSQL+activity.TimeoutSQL+`SELECT a.pid FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_activity self ON self.pid = pg_backend_pid()
		WHERE a.datid = self.datid AND a.backend_start > self.backend_start AND a.client_addr IS NOT DISTINCT FROM self.client_addr
			AND a.backend_type = 'client backend' AND a.state = 'active' AND a.pid <> self.pid
		ORDER BY a.query_start LIMIT 1`).Scan(&pid)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var a *activity.Backend
	if err == nil {
		a, err = activity.Read(ctx, tools.session, pid)
	}
	if err != nil || a == nil {
		return nil, tools.session.ClassifyError(ctx, err)
	}
	facts := []progress.Fact{
		{Name: "pid", Value: pid},
		{Name: "sql", Value: activity.StatementPrefix(a.Query), Bar: activity.StatementPrefix(a.Query), Rank: 4},
	}
	facts = append(facts, a.PhaseFacts()...)
	if share, ok := a.Progress.Share(); ok {
		facts = append(facts, progress.Percent(share))
	}
	return append(facts, a.WaitFacts()...), nil
}

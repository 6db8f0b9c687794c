package toolrun

import (
	"context"
	"slices"
)

// IsLock reports whether the problem is a row with which the tool locks its migrations (Liquibase,
// Knex). It remains if the tool is killed, and the tool then waits for it.
func (p ToolProblem) IsLock() bool { return p.release != "" }

// ToolLocks returns the locked rows.
func (tools *Tools) ToolLocks(ctx context.Context) ([]ToolProblem, error) {
	if tools.inLockTransaction() {
		return nil, nil
	}
	return tools.problemsIn(ctx, slices.DeleteFunc(slices.Clone(toolTables), func(t toolTable) bool { return t.release == "" }))
}

// ReleaseToolLock unlocks a row, unless it has changed since it was read.
func (tools *Tools) ReleaseToolLock(ctx context.Context, l ToolProblem) error {
	return tools.session.Exec(ctx, l.release)
}

// OtherSessions returns the sessions of this database that are not Shiplock's. Any of them may be
// a tool's that holds its lock.
func (tools *Tools) OtherSessions(ctx context.Context) ([]ToolSession, error) {
	return tools.readToolSessions(ctx, "a.datname = pg_catalog.current_database() AND coalesce(a.application_name, '') NOT LIKE 'shiplock%'", nil)
}

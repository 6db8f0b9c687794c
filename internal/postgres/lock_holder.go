package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/shiplock/shiplock/internal/progress"
)

// migrationComment matches the file name in a query sent by Shiplock; see Script.title.
var migrationComment = regexp.MustCompile(`^/\* (.+?) \*/ `)

// WaitLimit returns the remaining time of a wait.
func WaitLimit(d time.Duration) progress.Fact {
	d = roundDuration(max(d, 0))
	return progress.Fact{Name: "for_up_to", Value: d, Bar: "for up to " + d.Truncate(time.Second).String(), Rank: 1}
}

// LockHolder describes the session that holds the lock and its progress, as far as the role may see
// it. It returns nothing if the lock is free.
func (db *DB) LockHolder(ctx context.Context) ([]progress.Fact, error) {
	key, err := db.lockKey()
	if err != nil {
		return nil, err
	}
	return db.lockHolderFacts(ctx, key)
}

// lockHolderFacts describes the session that holds a lock and its activity.
func (db *DB) lockHolderFacts(ctx context.Context, key int64) (facts []progress.Fact, err error) {
	s, err := db.lockHolder(ctx, key)
	if s == nil || err != nil {
		return nil, err
	}
	facts = []progress.Fact{{Name: "holder", Value: s.String(), Bar: fmt.Sprintf("pid %d", s.PID), Rank: 1}}
	a, err := db.readActivity(ctx, s.PID)
	if err != nil || a == nil {
		return facts, lostOnly(err)
	}
	if m := migrationComment.FindStringSubmatch(a.Query); m != nil {
		facts = append(facts, progress.Fact{Name: "migrating", Value: m[1], Bar: "migrating " + m[1], Rank: 2})
	}
	statement, err := db.lockHolderStatement(ctx)
	facts = append(facts, statement...)
	facts = append(facts, a.phaseFacts()...)
	if share, ok := a.Progress.share(); ok {
		facts = append(facts, progress.Percent(share))
	}
	for _, f := range a.waitFacts() {
		f.Name = "holder_" + f.Name
		facts = append(facts, f)
	}
	return facts, lostOnly(err)
}

// lockHolderStatement reads the number of applied statements of the running migration from the
// history table. A migration that runs in one transaction is not visible there.
func (db *DB) lockHolderStatement(ctx context.Context) ([]progress.Fact, error) {
	if !db.historyExists {
		return nil, nil
	}
	var done, total int
	err := db.queryRow(ctx, activityTimeoutSQL+`SELECT statements_applied, statements_total FROM `+db.historyQuery()+` history
		WHERE outcome = `+literalOrNull(RunRunning)+` ORDER BY id DESC LIMIT 1`).Scan(&done, &total)
	if err != nil || total < 2 || done >= total {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return nil, db.classifyError(ctx, err)
	}
	statement := fmt.Sprintf("%d of %d", done+1, total)
	return []progress.Fact{{Name: "statement", Value: statement, Bar: "statement " + statement, Rank: 3}}, nil
}

// lostOnly drops errors other than a lost connection or an ended context: a missing privilege or a
// timeout does not end the wait.
func lostOnly(err error) error {
	var lost *LostError
	if errors.As(err, &lost) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// ToolActivity describes the longest-running query of the sessions that connected from this client
// address after this session, which are likely those of the external tool.
func (db *DB) ToolActivity(ctx context.Context) ([]progress.Fact, error) {
	if db.pooled {
		return nil, nil // an error would abort the transaction that holds the lock
	}
	var pid int
	err := db.queryRow(ctx, loginRoleSQL+activityTimeoutSQL+`SELECT a.pid FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_activity self ON self.pid = pg_backend_pid()
		WHERE a.datid = self.datid AND a.backend_start > self.backend_start AND a.client_addr IS NOT DISTINCT FROM self.client_addr
			AND a.backend_type = 'client backend' AND a.state = 'active' AND a.pid <> self.pid
		ORDER BY a.query_start LIMIT 1`).Scan(&pid)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var a *backendActivity
	if err == nil {
		a, err = db.readActivity(ctx, pid)
	}
	if err != nil || a == nil {
		return nil, db.classifyError(ctx, err)
	}
	facts := []progress.Fact{
		{Name: "pid", Value: pid},
		{Name: "sql", Value: statementPrefix(a.Query), Bar: statementPrefix(a.Query), Rank: 4},
	}
	facts = append(facts, a.phaseFacts()...)
	if share, ok := a.Progress.share(); ok {
		facts = append(facts, progress.Percent(share))
	}
	return append(facts, a.waitFacts()...), nil
}

package lock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/shiplock/shiplock/internal/activity"
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/progress"
)

// migrationComment matches the file name in a query sent by Shiplock; see Script.TitleComment.
var migrationComment = regexp.MustCompile(`^/\* (.+?) \*/ `)

// WaitLimit returns the remaining time of a wait.
func WaitLimit(d time.Duration) progress.Fact {
	d = postgres.RoundDuration(max(d, 0))
	return progress.Fact{Name: "time_left", Value: d, Bar: "for up to " + d.Truncate(time.Second).String(), Rank: 1}
}

// UntilDeadline returns how much time is left for a run; nothing if there is no limit.
func UntilDeadline(ctx context.Context) []progress.Fact {
	limit, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	return []progress.Fact{WaitLimit(time.Until(limit))}
}

// HolderFacts describes the session that holds the lock and its progress, as far as the role may see
// it. It returns nothing if the lock is free.
func HolderFacts(ctx context.Context, store *history.Store) (facts []progress.Fact, err error) {
	session := store.Session()
	s, err := Holder(ctx, session, Key(store))
	if s == nil || err != nil {
		return nil, err
	}
	facts = []progress.Fact{{Name: "holder", Value: s.String(), Bar: fmt.Sprintf("pid %d", s.PID), Rank: 1}}
	a, err := activity.Read(ctx, session, s.PID)
	if err != nil || a == nil {
		return facts, lostOnly(err)
	}
	if m := migrationComment.FindStringSubmatch(a.Query); m != nil {
		facts = append(facts, progress.Fact{Name: "migrating", Value: m[1], Bar: "migrating " + m[1], Rank: 2})
	}
	statement, err := holderStatement(ctx, store)
	facts = append(facts, statement...)
	facts = append(facts, a.PhaseFacts()...)
	if share, ok := a.Progress.Share(); ok {
		facts = append(facts, progress.Percent(share))
	}
	for _, f := range a.WaitFacts() {
		f.Name = "holder_" + f.Name
		facts = append(facts, f)
	}
	return facts, lostOnly(err)
}

// holderStatement reads the number of applied statements of the running migration from the
// history table. A migration that runs in one transaction is not visible there.
func holderStatement(ctx context.Context, store *history.Store) ([]progress.Fact, error) {
	if !store.HistoryExists {
		return nil, nil
	}
	var done, total int
	err := store.Session().QueryRow(ctx, activity.TimeoutSQL+`SELECT statements_applied, statements_total FROM `+store.HistoryQuery()+` history
		WHERE outcome = `+postgres.LiteralOrNull(history.Running)+` ORDER BY id DESC LIMIT 1`).Scan(&done, &total)
	if err != nil || total < 2 || done >= total {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return nil, store.Session().ClassifyError(ctx, err)
	}
	statement := fmt.Sprintf("%d of %d", done+1, total)
	return []progress.Fact{{Name: "statement", Value: statement, Bar: "statement " + statement, Rank: 3}}, nil
}

// lostOnly drops errors other than a lost connection or an ended context: a missing privilege or a
// timeout does not end the wait.
func lostOnly(err error) error {
	var lost *postgres.LostError
	if errors.As(err, &lost) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Holder returns the session that holds an advisory lock; nil if it ended. Fields that the role has no
// privilege to see are empty.
func Holder(ctx context.Context, session *postgres.Session, key int64) (*activity.SessionInfo, error) {
	var s activity.SessionInfo
	err := session.QueryRow(ctx, `
		SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
			coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)::bigint, coalesce(left(a.query, 120), '')
		FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
			AND l.classid::bigint << 32 | l.objid::bigint = $1`, key).Scan(&s.PID, &s.Application, &s.State, &s.Seconds, &s.Query)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, session.ClassifyError(ctx, err)
	}
	return &s, nil
}

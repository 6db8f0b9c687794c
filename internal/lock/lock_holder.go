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

// migrationComment matches the file name in a query sent by Shiplock; see Script.title.
var migrationComment = regexp.MustCompile(`^/\* (.+?) \*/ `)

// WaitLimit returns the remaining time of a wait.
func WaitLimit(d time.Duration) progress.Fact {
	d = postgres.RoundDuration(max(d, 0))
	return progress.Fact{Name: "for_up_to", Value: d, Bar: "for up to " + d.Truncate(time.Second).String(), Rank: 1}
}

// LockHolder describes the session that holds the lock and its progress, as far as the role may see
// it. It returns nothing if the lock is free.
func (lock *Lock) LockHolder(ctx context.Context) ([]progress.Fact, error) {
	key, err := lock.LockKey()
	if err != nil {
		return nil, err
	}
	return lock.lockHolderFacts(ctx, key)
}

// lockHolderFacts describes the session that holds a lock and its activity.
func (lock *Lock) lockHolderFacts(ctx context.Context, key int64) (facts []progress.Fact, err error) {
	s, err := lock.LockHolder(ctx, key)
	if s == nil || err != nil {
		return nil, err
	}
	facts = []progress.Fact{{Name: "holder", Value: s.String(), Bar: fmt.Sprintf("pid %d", s.PID), Rank: 1}}
	a, err := lock.monitor.ReadActivity(ctx, s.PID)
	if err != nil || a == nil {
		return facts, lostOnly(err)
	}
	if m := migrationComment.FindStringSubmatch(a.Query); m != nil {
		facts = append(facts, progress.Fact{Name: "migrating", Value: m[1], Bar: "migrating " + m[1], Rank: 2})
	}
	statement, err := lock.lockHolderStatement(ctx)
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

// lockHolderStatement reads the number of applied statements of the running migration from the
// history table. A migration that runs in one transaction is not visible there.
func (lock *Lock) lockHolderStatement(ctx context.Context) ([]progress.Fact, error) {
	if !lock.store.HistoryExists {
		return nil, nil
	}
	var done, total int
	err := lock.session.QueryRow(ctx, activity.ActivityTimeoutSQL+`SELECT statements_applied, statements_total FROM `+lock.store.HistoryQuery()+` history
		WHERE outcome = `+postgres.LiteralOrNull(history.RunRunning)+` ORDER BY id DESC LIMIT 1`).Scan(&done, &total)
	if err != nil || total < 2 || done >= total {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return nil, lock.session.ClassifyError(ctx, err)
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

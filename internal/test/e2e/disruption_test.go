package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// disruptCommand:
//
//	disrupt evict SELECTOR    as by `kubectl drain`
//	disrupt kill SELECTOR     by SIGKILL, as after a failure of the node
//
// All scenarios share one node. A scenario that drains it evicts the pods of its own namespace (SELECTOR "") and does not
// cordon the node, which would prevent the start of the other scenarios' pods.
func disruptCommand(ctx context.Context, args []string) error {
	if len(args) != 2 || args[0] != "evict" && args[0] != "kill" {
		return errors.New("disrupt evict|kill SELECTOR")
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	if args[0] == "kill" {
		return cluster.Kill(ctx, args[1])
	}
	return cluster.Evict(ctx, args[1])
}

// slowMigrationCommand controls the migration of testdata/slow, which runs until it may end:
//
//	slow-migration begun [FILE]    waits until a session other than that of FILE runs it, and prints the session's pid
//	slow-migration end             lets it end, now and in later runs
func slowMigrationCommand(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "end":
		_, err := query(ctx, "CREATE TABLE slow_work_may_end ()")
		return err
	case len(args) > 0 && len(args) < 3 && args[0] == "begun":
		var before []byte
		var err error
		if len(args) == 2 {
			if before, err = os.ReadFile(args[1]); err != nil {
				return err
			}
		}
		var pid string
		err = pollUntil(ctx, func(ctx context.Context) (_ bool, err error) {
			pid, err = query(ctx, `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
				AND application_name = 'shiplock' AND wait_event = 'PgSleep'`)
			return err == nil && pid != "" && pid != string(before), err
		})
		fmt.Print(pid)
		return err
	}
	return errors.New("slow-migration begun [FILE], or slow-migration end")
}

// consistencyQuery returns one row about the final state of a database: its version, the versions that were applied once as
// their last row of the history table, and the numbers of unsettled runs, invalid indexes and remaining sessions.
const consistencyQuery = `SELECT concat_ws(' ',
	'version', (SELECT string_agg(version || CASE WHEN dirty THEN ' dirty' ELSE '' END, ',') FROM schema_migrations),
	'applied', (SELECT string_agg(migration_version::text, ',' ORDER BY migration_version) FROM schema_migrations_history WHERE run_outcome = 'applied'),
	'unsettled', (SELECT count(*) FROM (SELECT DISTINCT ON (migration_version) run_outcome FROM schema_migrations_history
		ORDER BY migration_version, run_id DESC) last WHERE run_outcome <> 'applied'),
	'invalid', (SELECT count(*) FROM pg_index WHERE NOT indisvalid),
	'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shiplock'))`

// consistencyCommand:
//
//	check-consistency VERSION
//
// fails unless the database is consistent at that version; see consistencyQuery. It waits until sessions end, because the
// server detects a killed client with a delay of some seconds.
func consistencyCommand(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("check-consistency VERSION")
	}
	last, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	var versions []string
	for v := range last {
		versions = append(versions, strconv.Itoa(v+1))
	}
	want := fmt.Sprintf("version %d applied %s unsettled 0 invalid 0 sessions 0\n", last, strings.Join(versions, ","))
	var have string
	err = pollUntil(ctx, func(ctx context.Context) (_ bool, err error) {
		have, err = query(ctx, consistencyQuery)
		return have == want, err
	})
	fmt.Print(have)
	if err != nil {
		history, _ := query(context.WithoutCancel(ctx), "SELECT migration_version, run_direction, run_outcome, statements_applied, statements_total, run_pod, run_error FROM schema_migrations_history ORDER BY run_id")
		return fmt.Errorf("the database is inconsistent, want %s%w; the history:\n%s", want, err, history)
	}
	return nil
}

func pollUntil(ctx context.Context, holds func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	return kube.Until(ctx, func() (bool, error) { return holds(ctx) })
}

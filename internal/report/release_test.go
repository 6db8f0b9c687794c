package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/source"
)

func TestRun_ExitCode_DescribesEffectOnRelease(t *testing.T) {
	for _, c := range []struct {
		run  Run
		code int
		want string
	}{
		{Run{Command: "up"}, 6, ""},
		{Run{Command: "status", Mode: "hook", Revision: "4"}, 3, ""},
		{Run{Command: "up", Mode: "hook", Revision: "4"}, 6, "stopped before any pod was changed; the running version keeps serving"},
		{Run{Command: "up", Mode: "hook", Revision: "4"}, 7, "the running version keeps serving, on a partially migrated schema"},
		{Run{Command: "up", Mode: "hook", Revision: "1"}, 6, "the install stopped before the application was started"},
		{Run{Command: "up", Mode: "hook", Revision: "4"}, 3, "no pod is changed while the Job retries"},
		{Run{Command: "up", Mode: "hook", Revision: "4"}, 128 + 15, "no pod is changed while the Job retries"},
		{Run{Command: "up", Mode: "hook", Revision: "4"}, 124, "stopped before any pod was changed"},
		{Run{Command: "down", Mode: "hook", Revision: "4"}, 6, "the rollback stopped"},
		{Run{Command: "up", Mode: "hook"}, 6, "the Job failed; new pods with the wait container do not start"}, // the release also deploys the database
		{Run{Command: "up", Mode: "job"}, 4, "the Job retries"},
		{Run{Command: "up", Mode: "argocd"}, 6, "the sync stopped before any pod was changed"},
		{Run{Command: "up", Mode: "initContainer"}, 6, "this pod does not start; Kubernetes retries"},
		{Run{Command: "up", Mode: "pre-rollback"}, 5, "the rollback stopped before any pod was changed; the running version keeps serving; after fixing the cause, run helm rollback again"},
		{Run{Command: "up", Mode: "pre-rollback"}, 3, "no pod is changed while the Job retries"},
		{Run{Command: "up", Mode: "post-rollback"}, 5, "the pods are rolled back, and serve on the newer schema; after fixing the cause, run the same helm command again"},
		{Run{Command: "up", Mode: "post-rollback"}, 7, "the pods are rolled back, and serve on a partially migrated schema"},
		{Run{Command: "up", Mode: "post-rollback"}, 4, "the pods are rolled back, and serve on the newer schema while the Job retries"},
		{Run{Command: "wait", Mode: "wait"}, 124, "this pod does not start until the schema is up to date"},
		{Run{Command: "wait", Mode: "initContainer"}, 124, "this pod does not start until the schema is up to date"},
	} {
		got := c.run.releaseEffect(c.code)
		assert.Contains(t, got, c.want, c)
		assert.Equal(t, c.want == "", got == "", c)
	}
	c := Report{Title: "t", Code: 6, Rows: []Row{{Name: "state", Text: "s"}, {Name: "next", Text: "n"}}}
	c.addRun(Run{Command: "up", Mode: "hook", Database: "u@h/d", Release: "booking", Revision: "4", Namespace: "shop"})
	assert.Equal(t, "shiplock: t\n  database  u@h/d\n  state     s\n"+
		"  release   booking, revision 4, namespace shop: stopped before any pod was changed; the running version keeps serving\n"+
		"  next      n\n", c.sanitized(unchanged).String())
}

func TestSuccess_Result_IsTwoLines(t *testing.T) {
	run := Run{Database: "u@h:5432/d", Release: "booking", Revision: "4", Namespace: "shop"}
	for _, c := range []struct {
		command string
		done    Result
		want    string
	}{
		{"up", Result{From: planner.NoVersion, To: 3, Applied: 3, Took: 1234 * time.Millisecond}, "database is at version 3 (previously none): 3 migrations applied in 1.23s"},
		{"up", Result{From: 2, To: 3, Applied: 1, Took: time.Second}, "database is at version 3 (previously 2): 1 migration applied in 1s"},
		{"up", Result{From: 3, To: 3}, "nothing to do: database is at version 3"},
		{"up", Result{From: 5, To: 5, Newer: true}, "no changes were made: database is at version 5, ahead of the migration files"},
		{"down", Result{From: 3, To: planner.NoVersion, Applied: 2, RolledBack: []source.Migration{{Version: 3, Name: "c"}, {Version: 1, Name: "a"}}, Took: time.Second},
			"database has no migrations applied (previously 3): 2 migrations rolled back in 1s; rolled back: 3 (c), 1 (a)"},
		{"up", Result{From: 3, To: 2, Applied: 2, RolledBack: []source.Migration{{Version: 3, Name: "c"}}, Took: time.Second},
			"database is at version 2 (previously 3): 1 migration rolled back and 1 applied in 1s; rolled back: 3 (c)"},
		{"wait", Result{To: 3, Took: 3 * time.Second}, "schema is up to date: database is at version 3; waited 3s"},
		{"exec", Result{ToolCommand: "npm run\nmigrate", Changes: 1, Took: time.Minute}, "npm run migrate succeeded in 1m0s, with 1 schema change"},
	} {
		run.Command = c.command
		out := Success(c.done, run).String()
		assert.Equal(t, "shiplock: "+c.want+"\n  database u@h:5432/d; release booking, revision 4, namespace shop\n", out)
		assert.Equal(t, 2, strings.Count(out, "\n"))
	}
}

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/plan"
)

func TestWhatItMeansForTheRelease(t *testing.T) {
	for _, c := range []struct {
		run  Run
		code int
		want string
	}{
		{Run{Verb: "up"}, 6, ""},
		{Run{Verb: "status", Mode: "hook", Revision: "4"}, 3, ""},
		{Run{Verb: "up", Mode: "hook", Revision: "4"}, 6, "stopped before any pod was changed; the version that serves goes on serving"},
		{Run{Verb: "up", Mode: "hook", Revision: "4"}, 7, "the version that serves goes on serving, on a schema that is part-way changed"},
		{Run{Verb: "up", Mode: "hook", Revision: "1"}, 6, "the install stopped before anything of the application was started"},
		{Run{Verb: "up", Mode: "hook", Revision: "4"}, 3, "no pod is changed while the Job tries again"},
		{Run{Verb: "up", Mode: "hook", Revision: "4"}, 128 + 15, "no pod is changed while the Job tries again"},
		{Run{Verb: "up", Mode: "hook", Revision: "4"}, 124, "stopped before any pod was changed"},
		{Run{Verb: "down", Mode: "hook", Revision: "4"}, 6, "the rollback stopped"},
		{Run{Verb: "up", Mode: "hook"}, 6, "the Job has failed; new pods that have the gate do not start"}, // a database of the release's own
		{Run{Verb: "up", Mode: "job"}, 4, "the Job tries again"},
		{Run{Verb: "up", Mode: "argocd"}, 6, "the sync stopped before any pod was changed"},
		{Run{Verb: "up", Mode: "initContainer"}, 6, "this pod does not start, and Kubernetes tries again"},
		{Run{Verb: "up", Mode: "pre-rollback"}, 5, "the rollback stopped before any pod was changed; the version that serves goes on serving; when this is mended, run helm rollback again"},
		{Run{Verb: "up", Mode: "pre-rollback"}, 3, "no pod is changed while the Job tries again"},
		{Run{Verb: "up", Mode: "post-rollback"}, 5, "its pods are back, and serve on the newer schema; when this is mended, run the same helm command again"},
		{Run{Verb: "up", Mode: "post-rollback"}, 7, "its pods are back, and serve on a schema that is part-way changed"},
		{Run{Verb: "up", Mode: "post-rollback"}, 4, "its pods are back, and serve on the newer schema while the Job tries again"},
		{Run{Verb: "wait", Mode: "gate"}, 124, "this pod does not start before the schema is there"},
		{Run{Verb: "wait", Mode: "initContainer"}, 124, "this pod does not start before the schema is there"},
	} {
		got := c.run.meaning(c.code)
		assert.Contains(t, got, c.want, c)
		assert.Equal(t, c.want == "", got == "", c)
	}
	c := Card{Title: "t", Code: 6, Rows: []Row{{Name: "state", Text: "s"}, {Name: "next", Text: "n"}}}
	c.place(Run{Verb: "up", Mode: "hook", Database: "u@h/d", Release: "booking", Revision: "4", Namespace: "shop"})
	assert.Equal(t, "shiplock: t\n  database  u@h/d\n  state     s\n"+
		"  release   booking, revision 4, namespace shop: stopped before any pod was changed; the version that serves goes on\n            serving\n"+
		"  next      n\n", c.finish(asIs).String())
}

func TestSuccessIsTwoLines(t *testing.T) {
	run := Run{Database: "u@h:5432/d", Release: "booking", Revision: "4", Namespace: "shop"}
	for _, c := range []struct {
		verb string
		done Done
		want string
	}{
		{"up", Done{From: plan.NoVersion, To: 3, Applied: 3, Took: 1234 * time.Millisecond}, "the database is at version 3, was before its first migration: 3 migrations applied in 1.23s"},
		{"up", Done{From: 2, To: 3, Applied: 1, Took: time.Second}, "the database is at version 3, was at version 2: 1 migration applied in 1s"},
		{"up", Done{From: 3, To: 3}, "nothing to do: the database is at version 3"},
		{"up", Done{From: 5, To: 5, Newer: true}, "nothing was done: the database is at version 5, newer than the files"},
		{"down", Done{From: 3, To: plan.NoVersion, Applied: 2, Undone: []plan.Run{{Version: 3, Name: "c"}, {Version: 1, Name: "a"}}, Took: time.Second},
			"the database is before its first migration, was at version 3: 2 migrations undone in 1s; undone: 3 (c), 1 (a)"},
		{"up", Done{From: 3, To: 2, Applied: 2, Undone: []plan.Run{{Version: 3, Name: "c"}}, Took: time.Second},
			"the database is at version 2, was at version 3: 1 migration undone and 1 applied in 1s; undone: 3 (c)"},
		{"wait", Done{To: 3, Took: 3 * time.Second}, "the schema is there: the database is at version 3; waited 3s"},
		{"exec", Done{Command: "npm run\nmigrate", Changes: 1, Took: time.Minute}, "npm run migrate succeeded in 1m0s, with 1 change of the schema"},
	} {
		run.Verb = c.verb
		out := Success(c.done, run)
		assert.Equal(t, "shiplock: "+c.want+"\n  database u@h:5432/d; release booking, revision 4, namespace shop\n", out)
		assert.Equal(t, 2, strings.Count(out, "\n"))
	}
}

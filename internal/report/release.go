package report

import (
	"slices"
	"strings"
)

// Run describes the call of the program and its environment. Empty fields are unknown.
type Run struct {
	Command  string // up, down, exec, wait …
	Database string // user@host:port/name
	Role     string // of the session that runs the migrations
	// Mode is how the chart runs the migrator: hook, job, argocd, initContainer or wait, and
	// for a rollback of the release pre-rollback or post-rollback; empty outside the chart.
	Mode                         string
	Release, Revision, Namespace string
}

// String names the release: "booking, revision 4, namespace shop"; or is empty.
func (r Run) String() string {
	var parts []string
	for _, p := range [][2]string{{"", r.Release}, {"revision ", r.Revision}, {"namespace ", r.Namespace}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// addRun adds the database, and the effect of the failure on the release.
func (c *Report) addRun(run Run) {
	if c.Row("database") == "" && c.Database != run.Database {
		c.insert("database", run.Database, "state", "next")
	}
	if text, name := run.releaseEffect(c.Code), run.String(); text != "" && name != "" {
		c.insert("release", name+": "+text, "next")
	} else {
		c.insert("release", text, "next")
	}
}

// insert adds a row above the first of the named rows, or at the end.
func (c *Report) insert(name, text string, above ...string) {
	if text == "" {
		return
	}
	at := slices.IndexFunc(c.Rows, func(r Row) bool { return slices.Contains(above, r.Name) })
	if at < 0 {
		at = len(c.Rows)
	}
	c.Rows = slices.Insert(c.Rows, at, Row{Name: name, Text: text})
}

// releaseEffect describes the effect of an exit code on the release.
func (r Run) releaseEffect(code int) string {
	if !slices.Contains([]string{"up", "down", "exec", "wait"}, r.Command) {
		return ""
	}
	again := IsRetried(code)
	serves := "the running version keeps serving"
	if code == ExitPartiallyApplied {
		serves += ", on a partially migrated schema"
	}
	switch {
	case r.Mode == "post-rollback":
		return afterRollback(code, again)
	case r.Mode == "pre-rollback" && !again:
		return "the rollback stopped before any pod was changed; " + serves + "; after fixing the cause, run helm rollback again: until then, helm upgrade reports that another operation is in progress"
	case r.Mode == "wait" || r.Mode == "initContainer" && r.Command == "wait":
		return "this pod does not start until the schema is up to date; Kubernetes retries the wait, and running pods keep serving"
	case r.Mode == "initContainer":
		return "this pod does not start; Kubernetes retries, and running pods keep serving"
	case r.Mode == "job" || r.Mode == "hook" && r.Revision == "":
		if again {
			return "the Job retries (backoffLimit); new pods with the wait container wait for it, and running pods keep serving"
		}
		return "the Job failed; new pods with the wait container do not start, and running pods keep serving"
	case !slices.Contains([]string{"hook", "argocd", "pre-rollback"}, r.Mode):
		return ""
	case again:
		return "no pod is changed while the Job retries (backoffLimit); " + serves
	case r.Command == "down":
		return "the rollback stopped before any pod was changed; " + serves
	case r.Mode == "argocd":
		return "the sync stopped before any pod was changed; " + serves
	case r.Revision == "1":
		return "the install stopped before the application was started"
	}
	return "stopped before any pod was changed; " + serves
}

// afterRollback describes a release whose pods run an older version again while the schema
// was not rolled back. Helm leaves a rollback whose hook failed pending, and refuses
// upgrades until another rollback succeeds.
func afterRollback(code int, again bool) string {
	pods := "the pods are rolled back, and serve on the newer schema"
	if code == ExitPartiallyApplied {
		pods = "the pods are rolled back, and serve on a partially migrated schema"
	}
	if again {
		return pods + " while the Job retries (backoffLimit)"
	}
	return pods + "; after fixing the cause, run the same helm command again; helm rollback --no-hooks leaves the schema unchanged"
}

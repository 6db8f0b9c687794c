package report

import (
	"slices"
	"strings"
)

// Run is what the surroundings tell of a call of the program. Empty is unknown.
type Run struct {
	Command  string // up, down, exec, wait …
	Database string // user@host:port/name
	Role     string // that migrates
	// Mode is how the chart runs us: hook, job, argocd, initContainer or wait, and of a
	// release that is gone back to, pre-rollback or post-rollback; empty where it does not.
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

// addRun says which database it was, and what the failure means for the release.
func (c *Report) addRun(run Run) {
	if c.Row("database") == "" && !strings.Contains(c.Title, run.Database) {
		c.insert("database", run.Database, "state", "next")
	}
	if text, name := run.releaseEffect(c.Code), run.String(); text != "" && name != "" {
		c.insert("release", name+": "+text, "next")
	} else {
		c.insert("release", text, "next")
	}
}

// insert puts a row above the first of some others, or at the end.
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

// releaseEffect is what becomes of a release whose migrator ends with this exit code. The
// chart's podFailurePolicy decides which codes end the Job.
func (r Run) releaseEffect(code int) string {
	if !slices.Contains([]string{"up", "down", "exec", "wait"}, r.Command) {
		return ""
	}
	again := code == ExitInternal || code == ExitDatabase || code == ExitLocked || code > ExitSignal
	serves := "the version that serves goes on serving"
	if code == ExitPartiallyApplied {
		serves += ", on a schema that is part-way changed"
	}
	switch {
	case r.Mode == "post-rollback":
		return afterRollback(code, again)
	case r.Mode == "pre-rollback" && !again:
		return "the rollback stopped before any pod was changed; " + serves + "; when this is mended, run helm rollback again, for until then helm upgrade takes it for one that is under way"
	case r.Mode == "wait" || r.Mode == "initContainer" && r.Command == "wait":
		return "this pod does not start before the schema is there, and Kubernetes lets it wait again; pods that serve go on serving"
	case r.Mode == "initContainer":
		return "this pod does not start, and Kubernetes tries again; pods that serve go on serving"
	case r.Mode == "job" || r.Mode == "hook" && r.Revision == "":
		if again {
			return "the Job tries again (backoffLimit); new pods that have the gate wait for it, and pods that serve go on serving"
		}
		return "the Job has failed; new pods that have the gate do not start, and pods that serve go on serving"
	case !slices.Contains([]string{"hook", "argocd", "pre-rollback"}, r.Mode):
		return ""
	case again:
		return "no pod is changed while the Job tries again (backoffLimit); " + serves
	case r.Command == "down":
		return "the rollback stopped before any pod was changed; " + serves
	case r.Mode == "argocd":
		return "the sync stopped before any pod was changed; " + serves
	case r.Revision == "1":
		return "the install stopped before anything of the application was started"
	}
	return "stopped before any pod was changed; " + serves
}

// afterRollback is of a release whose pods are those of an older version again, on a
// schema that should have followed. Helm leaves a rollback whose hook has failed
// pending, and refuses upgrades until another has passed.
func afterRollback(code int, again bool) string {
	pods := "its pods are back, and serve on the newer schema"
	if code == ExitPartiallyApplied {
		pods = "its pods are back, and serve on a schema that is part-way changed"
	}
	if again {
		return pods + " while the Job tries again (backoffLimit)"
	}
	return pods + "; when this is mended, run the same helm command again; helm rollback --no-hooks leaves the schema as it is"
}

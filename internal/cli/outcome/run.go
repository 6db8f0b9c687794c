package outcome

import (
	"os"
	"time"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/report"
)

// A Run is what is known about a run, however it ends.
type Run struct {
	report.Run
	Pod, Job string
	Migrator string // version of this program
	Started  time.Time
	Redact   func(string) string
}

// NewRun returns a run in the release that the chart's variables name. database and role are
// empty if they are not known.
func NewRun(command, database, role string) Run {
	id := Identity()
	return Run{Pod: id.Pod, Job: os.Getenv("SHIPLOCK_JOB"), Run: report.Run{Command: command, Database: database, Role: role,
		Mode: os.Getenv("SHIPLOCK_MODE"), Release: id.Release, Revision: id.Revision, Namespace: id.Namespace}}
}

// Identity returns the release, revision, and namespace that the chart sets, and the pod's
// name, which is its host name. The history table stores them with each run.
func Identity() history.Identity {
	id := history.Identity{
		Release: os.Getenv("SHIPLOCK_RELEASE"), Revision: os.Getenv("SHIPLOCK_REVISION"), Namespace: os.Getenv("SHIPLOCK_NAMESPACE"),
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		id.Pod, _ = os.Hostname()
	}
	return id
}

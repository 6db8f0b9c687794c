package cli

import (
	"io"
	"time"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/redact"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/notify"
)

// A Program is what a run gets from its process.
type Program struct {
	Stdout, Stderr io.Writer
	// DedicatedProcess is set if the process runs nothing else.
	DedicatedProcess bool
	// Root is a prefix of the paths of Kubernetes' files. Only tests set it.
	Root string
}

// An app is one run of the program.
type app struct {
	settings settings.Settings
	program  Program
	console  *console.Console
	redactor *redact.Redactor
	started  time.Time
	prepared bool             // see prepare
	notifier *notify.Notifier // nil until openNotifier
	user     string           // database user, once known
	database string           // user@host:port/name, once known
	summary  *outcome.Summary // result of a successful command that reports one
}

package cli

import (
	"time"

	"github.com/shiplock/shiplock/internal/cli/console"
	"github.com/shiplock/shiplock/internal/cli/outcome"
	"github.com/shiplock/shiplock/internal/cli/redact"
	"github.com/shiplock/shiplock/internal/cli/settings"
	"github.com/shiplock/shiplock/internal/notify"
)

// An app is one run of the program.
type app struct {
	settings settings.Settings
	root     string // see Program.Root
	console  *console.Console
	redactor *redact.Redactor
	started  time.Time
	prepared bool             // see prepare
	notifier *notify.Notifier // nil until openNotifier
	user     string           // database user, once known
	database string           // user@host:port/name, once known
	summary  *outcome.Summary // result of a successful command that reports one
}

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/lib/pq"
	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
)

// filesRoot is a prefix of the paths of Kubernetes' files. Only tests set it.
var filesRoot string

// loginFlags adds the flags for the role, and for a password that is read again for each connection.
func (a *app) loginFlags(fs *pflag.FlagSet) {
	s := &a.settings
	fs.StringVar(&s.DatabaseURLFile, "database-url-file", "", "file that contains only the database URL; user and password are read again for each connection ($SHIPLOCK_DATABASE_URL_FILE)")
	fs.StringVar(&s.PasswordFile, "password-file", "", "file that contains only the password, read again for each connection ($SHIPLOCK_PASSWORD_FILE)")
	fs.StringVar(&s.PasswordCommand, "password-command", "",
		"command that prints the password, such as a cloud token; run for each connection, without a shell ($SHIPLOCK_PASSWORD_COMMAND)")
	fs.StringVar(&s.Role, "role", "", "role to run migrations as (SET ROLE), which owns the objects they create ($SHIPLOCK_ROLE)")
}

// rejectRole returns an error if --role is set: the role would apply to the sessions of exec, not to
// those of the tool.
func (a *app) rejectRole() error {
	role := a.settings.Role
	if role == "" {
		return nil
	}
	return &config.UsageError{Problem: fmt.Sprintf(`exec cannot set the role of an external tool (--role, SHIPLOCK_ROLE is %q), because the tool opens its own sessions. `+
		`Remove the setting, and run on the server: ALTER ROLE its_user IN DATABASE its_database SET role = %s; or, for a tool that uses libpq, set PGOPTIONS="-c role=…" in its environment`,
		role, pq.QuoteLiteral(role))}
}

// childEnv returns the environment for an external tool, or for the command after --: environ
// without the notification settings and their secrets.
func childEnv(environ []string) []string {
	excluded := notifyVariables()
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(excluded, name)
	})
}

// dsn returns the data source name of the database. It waits for the database URL file, if one is set.
func (a *app) dsn(ctx context.Context, log *slog.Logger) (config.DSN, error) {
	err := a.settings.WaitForURLFile(ctx, func(reason string) {
		log.Info("waiting for the database URL file", "reason", reason, "for_up_to", waitLimit(a.settings))
	})
	if err != nil {
		return config.DSN{}, err
	}
	return a.settings.Database(os.Getenv)
}

// waitLimit returns the time limit for a log message.
func waitLimit(s config.Settings) string {
	if s.WaitForDB == math.MaxInt64 {
		return "ever"
	}
	return s.WaitForDB.String()
}

// redactAttr removes secrets, and characters that a terminal would interpret, from a log
// attribute. The log handlers themselves escape line breaks and the other C0 controls.
func (a *app) redactAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(replaceInvisible(a.redact(v)))
	case error:
		attr.Value = slog.StringValue(replaceInvisible(a.redact(v.Error())))
	case []string:
		shown := make([]string, len(v))
		for i, s := range v {
			shown[i] = replaceInvisible(a.redact(s))
		}
		attr.Value = slog.AnyValue(shown)
	}
	return attr
}

// replaceInvisible replaces characters that are neither printable nor white space, such as C1
// controls and marks that change the writing direction.
func replaceInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r != '\n' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

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

// filesRoot is put before the paths of Kubernetes' files; tests have their own.
var filesRoot string

// loginFlags say as whom to come, and where the password is read anew for each connection.
func (a *app) loginFlags(fs *pflag.FlagSet) {
	s := &a.settings
	fs.StringVar(&s.DatabaseURLFile, "database-url-file", "", "file with the URL alone; its user and password are read anew for each connection ($SHIPLOCK_DATABASE_URL_FILE)")
	fs.StringVar(&s.PasswordFile, "password-file", "", "file with the password alone, read anew for each connection ($SHIPLOCK_PASSWORD_FILE)")
	fs.StringVar(&s.PasswordCommand, "password-command", "",
		"command that prints the password, such as a cloud's token, run anew for each connection, without a shell ($SHIPLOCK_PASSWORD_COMMAND)")
	fs.StringVar(&s.Role, "role", "", "role to act as (SET ROLE): what migrations make belongs to it ($SHIPLOCK_ROLE)")
}

// rejectRole refuses a role that would be the sessions' of ours and not the tool's.
func (a *app) rejectRole() error {
	role := a.settings.Role
	if role == "" {
		return nil
	}
	return &config.UsageError{Problem: fmt.Sprintf(`exec cannot give the tool a role (--role, SHIPLOCK_ROLE is %q): the tool's sessions are its own. `+
		`On the server, once: ALTER ROLE its_user IN DATABASE its_database SET role = %s; or for a tool over libpq, in its environment: PGOPTIONS="-c role=…"; then leave the setting out here`,
		role, pq.QuoteLiteral(role))}
}

// lent is the environment that a tool, or the server behind --, gets: without
// the variables that are no concern of another program, whom to notify and with
// which secret.
func childEnv(environ []string) []string {
	ours := notifyVariables()
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(ours, name)
	})
}

// dsn settles how to reach the database; the file with its URL is waited for.
func (a *app) dsn(ctx context.Context, log *slog.Logger) (config.DSN, error) {
	err := a.settings.WaitForURLFile(ctx, func(reason string) {
		log.Info("waiting for the file", "reason", reason, "for_up_to", waitLimit(a.settings))
	})
	if err != nil {
		return config.DSN{}, err
	}
	return a.settings.Database(os.Getenv)
}

func waitLimit(s config.Settings) string {
	if s.WaitForDB == math.MaxInt64 {
		return "ever"
	}
	return s.WaitForDB.String()
}

// redactAttr is what every value passes on its way into the log, whichever its
// format: no secret leaves that way, and nothing that a terminal would obey. Line
// breaks and what is below a space each format escapes by itself.
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

// printable replaces what is invisible and not white space: C1 controls and the
// marks that turn the direction of writing.
func replaceInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r != '\n' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

package cli

import (
	"context"
	"log/slog"
	"math"
	"os"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
	"github.com/shiplock/shiplock/internal/config/dsn"
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

// dsn returns the data source name of the database. It waits for the database URL file, if one is set.
func (a *app) dsn(ctx context.Context, log *slog.Logger) (dsn.DSN, error) {
	err := a.settings.WaitForURLFile(ctx, func(reason string) {
		log.Info("waiting for the database URL file", "reason", reason, "for_up_to", waitLimit(a.settings))
	})
	if err != nil {
		return dsn.DSN{}, err
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

package config

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/config/versiontable"
	"github.com/shiplock/shiplock/internal/retry"
)

// checkSingleSource returns an error if two sources are set, because precedence would be ambiguous.
func (s *Settings) checkSingleSource(getenv func(string) string) error {
	if s.DatabaseURL != "" && s.DatabaseURLFile != "" {
		return usage("the database URL is set twice: remove --database-url-file (SHIPLOCK_DATABASE_URL_FILE), or --database-url and DATABASE_URL")
	}
	type setting struct{ name, remove string }
	var settings []setting
	for _, p := range []struct {
		isSet bool
		setting
	}{
		{s.PasswordCommand != "", setting{"--password-command", "--password-command (SHIPLOCK_PASSWORD_COMMAND)"}},
		{s.PasswordFile != "", setting{"--password-file", "--password-file (SHIPLOCK_PASSWORD_FILE)"}},
		{getenv("PGPASSWORD") != "", setting{"PGPASSWORD", "the variable PGPASSWORD"}},
		{dsn.HasPassword(s.DatabaseURL), setting{"the database URL", "the password in the database URL"}},
	} {
		if p.isSet {
			settings = append(settings, p.setting)
		}
	}
	if s.PasswordCommand == "" && s.PasswordFile == "" || len(settings) < 2 {
		return nil // as in libpq, the password in the URL takes precedence over PGPASSWORD
	}
	return usage("the password is set by %s and by %s: remove %s, or %s", settings[0].name, settings[1].name, settings[1].remove, settings[0].remove)
}

// dsn parses the URL or the URL file, and sets the source of the password of each
// connection.
func (s *Settings) dsn(getenv func(string) string) (dsn.DSN, error) {
	text := s.DatabaseURL
	var from credentials.Source
	switch {
	case s.DatabaseURLFile != "":
		file := dsn.URLFile(s.DatabaseURLFile)
		var err error
		if text, err = file.Read(); err != nil {
			return dsn.DSN{}, err
		}
		if s.PasswordCommand != "" || s.PasswordFile != "" {
			if dsn.HasPassword(text) {
				return dsn.DSN{}, usage("the password is set by the URL in --database-url-file, and by --password-command or --password-file: remove one of them")
			}
			break
		}
		if getenv("PGPASSWORD") == "" || dsn.HasPassword(text) {
			from = file
		}
	}
	if s.PasswordFile != "" {
		from = credentials.PasswordFile(s.PasswordFile)
	}
	if s.PasswordCommand != "" {
		command, err := credentials.ParseCommand(s.PasswordCommand)
		if err != nil {
			return dsn.DSN{}, commandError(err)
		}
		from = command
	}
	d, err := dsn.Parse(text)
	if err != nil {
		return dsn.DSN{}, s.urlError(err)
	}
	if from != nil {
		d.SetSource(from)
	}
	return d, nil
}

func (s *Settings) urlError(err error) error {
	problem := err.Error()
	var parameter *dsn.ParameterError
	if errors.As(err, &parameter) && parameter.Token {
		problem += ", or a token from --password-command"
	}
	if s.DatabaseURLFile != "" {
		problem = "--database-url-file " + s.DatabaseURLFile + ": " + problem
	}
	return &UsageError{Problem: problem}
}

func commandError(err error) error {
	var notFound *credentials.LookupError
	if errors.As(err, &notFound) {
		return usage("--password-command: %v; nothing was run. The migrator image contains no other programs: build an image FROM it that contains the command, or set --password-file", err)
	}
	return usage("--password-command %v", err)
}

// WaitForURLFile waits up to --wait-for-db until the URL file exists, because the database
// is unknown without it. It calls onWait once, if it has to wait. Errors are a *credentials.Error,
// or the context's cause.
func (s *Settings) WaitForURLFile(ctx context.Context, onWait func(reason string)) error {
	if s.DatabaseURLFile == "" {
		return nil
	}
	policy := retry.Policy{First: 200 * time.Millisecond, Limit: max(s.WaitForDB, 1), OnRetry: func(err error, attempt int, _ time.Duration) error {
		if attempt == 1 {
			onWait(err.Error())
		}
		return nil
	}}
	err := retry.Do(ctx, policy, func() error {
		_, err := dsn.URLFile(s.DatabaseURLFile).Read()
		var absent *credentials.Error
		if err != nil && !(errors.As(err, &absent) && absent.Absent) {
			return retry.Permanent(err)
		}
		return err
	})
	var stopped *retry.StoppedError
	if errors.As(err, &stopped) {
		return cmp.Or(stopped.Cause, stopped.Err)
	}
	return err
}

// checkRole refuses names that are not valid for a role. All other names are quoted.
func checkRole(role string) error {
	switch {
	case len(role) > versiontable.MaxIdentifierLength || strings.Contains(role, "\x00"):
		return usage("--role is %q; want a name of at most %d bytes", role, versiontable.MaxIdentifierLength)
	case role == "none":
		return usage("--role is %q, a name that PostgreSQL reserves; omit --role to use the role that connects", role)
	}
	return nil
}

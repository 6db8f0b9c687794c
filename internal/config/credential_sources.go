package config

import (
	"context"
	"errors"
	"strings"
	"time"
)

// CredentialSources onWait where the password, or the whole URL, is read anew for each
// connection. At most one of them is set.
type CredentialSources struct {
	// PasswordCommand is a command line whose standard output is the password.
	PasswordCommand string
	PasswordFile    string // holds the password alone
	DatabaseURLFile string // holds the URL alone
}

// checkSingleSource refuses two places for one thing: nobody could onWait which counts.
func (s *Settings) checkSingleSource(getenv func(string) string) error {
	if s.DatabaseURL != "" && s.DatabaseURLFile != "" {
		return usage("the database URL is given twice: drop --database-url-file (SHIPLOCK_DATABASE_URL_FILE), or --database-url and DATABASE_URL")
	}
	type place struct{ name, drop string }
	var places []place
	for _, p := range []struct {
		value string
		place
	}{
		{s.PasswordCommand, place{"--password-command", "--password-command (SHIPLOCK_PASSWORD_COMMAND)"}},
		{s.PasswordFile, place{"--password-file", "--password-file (SHIPLOCK_PASSWORD_FILE)"}},
		{getenv("PGPASSWORD"), place{"PGPASSWORD", "the variable PGPASSWORD"}},
		{urlPassword(s.DatabaseURL), place{"the database URL", "the password in the database URL"}},
	} {
		if p.value != "" {
			places = append(places, p.place)
		}
	}
	if s.PasswordCommand == "" && s.PasswordFile == "" || len(places) < 2 {
		return nil // PGPASSWORD beside a URL's password is libpq's affair: the URL's counts
	}
	return usage("the password is given by %s and by %s: drop %s, or %s", places[0].name, places[1].name, places[1].drop, places[0].drop)
}

// urlPassword is the password in a URL or a libpq string.
func urlPassword(s string) string {
	if !isURL(s) {
		if strings.Contains(strings.ReplaceAll(s, " ", ""), "password=") {
			return "given"
		}
		return ""
	}
	u, err := splitURL(s)
	if err != nil {
		return "" // ParseDSN will onWait it
	}
	return u.password + u.params.Get("password")
}

// dsn reads the URL, or the file that it is in, and knows from where each
// connection gets its password.
func (s *Settings) dsn(getenv func(string) string) (DSN, error) {
	text := s.DatabaseURL
	var from credentialSource
	switch {
	case s.DatabaseURLFile != "":
		file := urlFile{path: s.DatabaseURLFile}
		var err error
		if text, err = file.read(); err != nil {
			return DSN{}, err
		}
		if s.PasswordCommand != "" || s.PasswordFile != "" {
			if urlPassword(text) != "" {
				return DSN{}, usage("the password is given by the URL in --database-url-file, and by --password-command or --password-file: drop one")
			}
			break
		}
		if getenv("PGPASSWORD") == "" || urlPassword(text) != "" {
			from = file
		}
	}
	if s.PasswordFile != "" {
		from = passwordFile{path: s.PasswordFile}
	}
	if s.PasswordCommand != "" {
		command, err := parseCommand(s.PasswordCommand)
		if err != nil {
			return DSN{}, err
		}
		from = command
	}
	d, err := ParseDSN(text)
	if err != nil {
		if s.DatabaseURLFile != "" {
			return DSN{}, usage("--database-url-file %s: %v", s.DatabaseURLFile, err)
		}
		return DSN{}, &UsageError{Problem: err.Error()}
	}
	if from != nil {
		d.logins.from = from
	}
	return d, nil
}

// WaitForURLFile waits until there is a file with the URL, for as long as --wait-for-db
// says; without it nobody knows whom to wait for. It calls onWait once, when it has to
// wait. Errors are a *SecretError, or the context's cause.
func (s *Settings) WaitForURLFile(ctx context.Context, onWait func(reason string)) error {
	if s.DatabaseURLFile == "" {
		return nil
	}
	const pause = 200 * time.Millisecond
	start, said := time.Now(), false
	for {
		_, err := urlFile{path: s.DatabaseURLFile}.read()
		var absent *SecretError
		if !errors.As(err, &absent) || !absent.Absent || time.Since(start)+pause > s.WaitForDB {
			return err
		}
		if !said {
			said = true
			onWait(absent.Error())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// checkRole refuses what no role can be called. Every other name is quoted.
func checkRole(role string) error {
	switch {
	case len(role) > identifierLimit || strings.Contains(role, "\x00"):
		return usage("--role is %q; want a name of at most %d bytes", role, identifierLimit)
	case role == "none":
		return usage("--role is %q, which to PostgreSQL is no role; leave the setting out, and what the migrations make belongs to the user that connects", role)
	}
	return nil
}

// Package config parses and validates the settings of a run.
//
// [Settings] hold the values of flags and environment variables, which cli fills in.
// [Settings.Database] checks them and returns the data source name; a [UsageError] names the
// setting and how to fix it. The subpackages know no settings: dsn parses and connects,
// credentials reads and redacts passwords, versiontable parses the name of the version table.
package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/shiplock/shiplock/internal/config/credentials"
	"github.com/shiplock/shiplock/internal/config/dsn"
	"github.com/shiplock/shiplock/internal/config/versiontable"
)

// Database validates the database settings and returns the DSN. getenv is os.Getenv, or a
// replacement in tests.
func (s *Settings) Database(getenv func(string) string) (dsn.DSN, error) {
	if err := CheckRequiredSecrets(getenv); err != nil {
		return dsn.DSN{}, err
	}
	if err := s.checkSingleSource(getenv); err != nil {
		return dsn.DSN{}, err
	}
	if s.DatabaseURL == "" && s.DatabaseURLFile == "" && !anySet(getenv, "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGSERVICE") {
		return dsn.DSN{}, usage("no database given: set DATABASE_URL (postgres://user:password@host:5432/database), or PGHOST, PGUSER, PGPASSWORD and PGDATABASE")
	}
	if err := dsn.CheckVariables(getenv); err != nil {
		return dsn.DSN{}, &UsageError{Problem: err.Error()}
	}
	if file := getenv("PGPASSFILE"); file != "" {
		if err := readable(file); err != nil {
			return dsn.DSN{}, usage("password file PGPASSFILE: %v", err)
		}
	}
	d, err := s.dsn(getenv)
	if err != nil {
		return dsn.DSN{}, err
	}
	if err := s.applyMigrateParams(d.MigrateParams()); err != nil {
		return dsn.DSN{}, err
	}
	return d, s.check()
}

func (s *Settings) check() error {
	schema, name, ok := versiontable.Parse(s.Table)
	if !ok || !versiontable.Fits(schema, name) || strings.Contains(s.Table, "\x00") {
		return usage(`--table is %q; want a name of at most %d bytes, or schema.name (quote a name that contains a dot, as in SQL)`, s.Table, versiontable.MaxLength)
	}
	if err := checkRole(s.Role); err != nil {
		return err
	}
	return s.CleanSource()
}

// CleanSource accepts a directory, or golang-migrate's file URL of one.
func (s *Settings) CleanSource() error {
	if s.Source == "" {
		return usage("--source is empty; want the migrations directory")
	}
	if scheme, _, isURL := strings.Cut(s.Source, "://"); isURL {
		if scheme != "file" {
			return usage("--source is a URL with the scheme %q; want the migrations directory, or file://DIRECTORY", scheme)
		}
		u, err := url.Parse(s.Source)
		if err != nil || u.RawQuery != "" || u.Fragment != "" {
			return usage("--source is not the URL of a directory; want file://DIRECTORY, with each %% as %%25, ? as %%3F and # as %%23")
		}
		// golang-migrate joins host and path: file://migrations is relative, file:///migrations is not.
		s.Source = cmp.Or(u.Opaque, u.Host+u.Path, ".")
	}
	s.Source = path.Clean(s.Source)
	return nil
}

// requiredVariable lists the variables that the chart sets from Secrets, as
// "VARIABLE=secret/key" separated by spaces. The chart's references are optional, because
// a pod that waits for a Secret reports nothing until its deadline.
const requiredVariable = "SHIPLOCK_REQUIRED_ENV"

// CheckRequiredSecrets returns an error that lists the missing or empty Secret keys.
func CheckRequiredSecrets(getenv func(string) string) error {
	var missing []string
	for _, entry := range strings.Fields(getenv(requiredVariable)) {
		variable, from, ok := strings.Cut(entry, "=")
		secret, key, ok2 := strings.Cut(from, "/")
		if !ok || !ok2 {
			return usage("%s holds %q; want VARIABLE=secret/key", requiredVariable, entry)
		}
		if getenv(variable) == "" {
			missing = append(missing, fmt.Sprintf("key %q of Secret %q (for %s)", key, secret, variable))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return usage("missing or empty Secret key: %s; create the Secret in the release namespace before the release (kubectl get secret)", strings.Join(missing, ", "))
}

func anySet(getenv func(string) string, names ...string) bool {
	for _, n := range names {
		if getenv(n) != "" {
			return true
		}
	}
	return false
}

func readable(file string) error {
	f, err := credentials.OpenFile(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("is a directory")}
	}
	return err
}

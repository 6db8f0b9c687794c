// Package dsn parses how to connect to a database, and connects to it.
//
// [Parse] reads a connection URL or a libpq string, libpq's variables, a service file, and a
// password file, and refuses or ignores the parameters of other programs. A [DSN] never prints
// its password. [DSN.Connector] opens connections through lib/pq, each with a new login. The
// callers are config, which adds the source of the password, and the packages that connect.
package dsn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/config/credentials"
)

// A DSN describes how to connect to one database. It never prints its password: all
// formatting verbs, JSON and slog show only "user@host:port/database". The zero value is
// not usable; use Parse.
type DSN struct {
	cfg     pq.Config
	logins  *credentials.Logins
	migrate map[string]string // golang-migrate's x-… parameters of the URL
	ignored []string          // ignored parameters of other programs, with their program
}

// Parse parses a connection URL or a libpq "key=value" string. Missing parameters come
// from libpq's PG* variables, a service file and the password file.
//
// The password in a URL may be percent-encoded or literal, even with @ / : ? # % and spaces
// in it. The default TLS mode is libpq's, "prefer", because lib/pq's default has changed
// between releases.
//
// Errors never contain s.
func Parse(s string) (DSN, error) {
	d := DSN{logins: &credentials.Logins{}}
	secrets := []string{s}
	if problem := malformed(s, true); problem != "" {
		return DSN{}, errors.New("the database URL " + problem)
	}
	if isURL(s) {
		u, err := splitURL(s)
		if err != nil {
			return DSN{}, fmt.Errorf("database URL: %w", err)
		}
		secrets = append(secrets, u.password)
		d.logins.AddSecrets(u.password, rawPassword(s))
		d.migrate = u.takeMigrateParams()
		s = u.keywords()
	} else if scheme, _, jdbc := strings.Cut(s, ":postgresql:"); jdbc && scheme == "jdbc" {
		return DSN{}, errors.New("database URL: " + schemeProblem("jdbc:postgresql"))
	} else if dotNet.MatchString(s) {
		return DSN{}, errors.New("database URL: this is a .NET connection string: write postgres://user:password@host:5432/database")
	} else if s != "" && !strings.Contains(s, "=") {
		return DSN{}, errors.New(`database URL: want "postgres://user:password@host:5432/database" or "host=… dbname=…"`)
	}
	cfg, err := newConfig(s)
	if err != nil {
		return DSN{}, fmt.Errorf("database settings: %s", credentials.Redact(err.Error(), append(secrets, s, cfg.Password)...))
	}
	if cfg.SSLMode == "" {
		cfg.SSLMode = pq.SSLModePrefer
	}
	if d.ignored, err = takeUnsupported(&cfg); err != nil {
		return DSN{}, err
	}
	d.cfg = cfg
	if cfg.Password == "" && cfg.Passfile != "" && len(cfg.Multi) == 0 {
		if d.cfg.Password, err = passwordFrom(cfg.Passfile, cfg); err != nil {
			return DSN{}, fmt.Errorf("password file: %w", err)
		}
		d.logins.From = passwordFile{cfg}
	}
	d.logins.AddSecrets(d.cfg.Password)
	return d, nil
}

// SetSource makes all copies of d read the login of each connection from a source.
func (d DSN) SetSource(from credentials.Source) { d.logins.From = from }

// MigrateParams returns golang-migrate's x-… parameters of the URL.
func (d DSN) MigrateParams() map[string]string { return d.migrate }

// NewMaskingWriter returns a writer to w that masks every password of the run. A password
// that equals the name of the user or the database is not masked, because that name is in
// every line.
func (d DSN) NewMaskingWriter(w io.Writer) *credentials.MaskingWriter {
	if p := d.cfg.Password; p != "" && (p == d.cfg.User || p == d.cfg.Database) {
		return (&credentials.Logins{}).NewMaskingWriter(w)
	}
	return d.logins.NewMaskingWriter(w)
}

// With returns a copy whose sessions start with these run-time parameters (such as
// application_name), except for parameters set by the user.
func (d DSN) With(params map[string]string) DSN {
	c := d
	c.cfg = d.cfg.Clone()
	c.cfg.Runtime = map[string]string{}
	for k, v := range params {
		if k == "application_name" {
			if c.cfg.ApplicationName == "" {
				c.cfg.ApplicationName = v
			}
			continue
		}
		c.cfg.Runtime[k] = v
	}
	maps.Copy(c.cfg.Runtime, d.cfg.Runtime)
	return c
}

// Primary returns a copy that connects only to a primary, unless the user has set
// target_session_attrs.
func (d DSN) Primary() DSN {
	c := d
	c.cfg = d.cfg.Clone()
	if c.cfg.TargetSessionAttrs == "" || c.cfg.TargetSessionAttrs == pq.TargetSessionAttrsAny {
		c.cfg.TargetSessionAttrs = pq.TargetSessionAttrsPrimary
	}
	return c
}

// HasMultipleHosts reports whether the DSN has more than one host.
func (d DSN) HasMultipleHosts() bool { return len(d.cfg.Multi) > 0 }

// Database returns the name of the database; empty means the name of the user.
func (d DSN) Database() string { return d.cfg.Database }

// User returns the role that connects.
func (d DSN) User() string { return d.cfg.User }

// Ignored returns the ignored parameters of the URL: those of other programs, and those
// that are not supported and not required.
func (d DSN) Ignored() []string { return d.ignored }

// Address returns "host:port" (a comma-separated list for several hosts), or the path of a Unix socket.
func (d DSN) Address() string {
	addr := hostPort(d.cfg.Host, d.cfg.Port)
	for _, m := range d.cfg.Multi {
		addr += "," + hostPort(m.Host, m.Port)
	}
	return addr
}

// Redact replaces every password of the run in s, also in the encodings of URLs, JSON, SQL
// and Kubernetes Secrets.
func (d DSN) Redact(s string) string { return d.logins.Redact(s) }

// String returns the DSN without the password and without parameters.
func (d DSN) String() string {
	return d.cfg.User + "@" + d.Address() + "/" + d.cfg.Database
}

// Format prevents %+v and %#v from printing the fields.
func (d DSN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalJSON returns String as JSON.
func (d DSN) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// LogValue returns String as a log value.
func (d DSN) LogValue() slog.Value { return slog.StringValue(d.String()) }

func hostPort(host string, port uint16) string {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

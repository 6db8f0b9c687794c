package config

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
)

// DSN says how to reach one database. It cannot print its password: every
// formatting verb, JSON and slog show "user@host:port/database" and no more.
// The zero value is not usable; get one from ParseDSN.
type DSN struct {
	cfg     pq.Config
	logins  *credentials
	migrate map[string]string // golang-migrate's x-… parameters of the URL
	ignored []string          // parameters of other programs, and whose
}

// ParseDSN reads a connection URL or a libpq "key=value" string. What it leaves
// out comes from libpq's PG* variables, a service file and the password file.
//
// A password may stand in a URL percent-encoded or as it is, even with @ / : ? # %
// and spaces in it. When nothing asks for a TLS mode it is libpq's default,
// "prefer": lib/pq's own default has changed between releases.
//
// Errors never hold the string that was passed in.
func ParseDSN(s string) (DSN, error) {
	d := DSN{logins: &credentials{}}
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
		d.logins.addSecrets(u.password, rawPassword(s))
		d.migrate = u.takeMigrateParams()
		s = u.keywords()
	} else if scheme, _, jdbc := strings.Cut(s, ":postgresql:"); jdbc && scheme == "jdbc" {
		return DSN{}, errors.New("database URL: " + schemeProblem("jdbc:postgresql"))
	} else if dotNet.MatchString(s) {
		return DSN{}, errors.New("database URL: this is a connection string of .NET: write postgres://user:password@host:5432/database")
	} else if s != "" && !strings.Contains(s, "=") {
		return DSN{}, errors.New(`database URL: want "postgres://user:password@host:5432/database" or "host=… dbname=…"`)
	}
	cfg, err := newConfig(s)
	if err != nil {
		return DSN{}, fmt.Errorf("database settings: %s", redact(err.Error(), append(secrets, s, cfg.Password)...))
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
		d.logins.from = passFile{cfg}
	}
	d.logins.addSecrets(d.cfg.Password)
	return d, nil
}

// With returns a copy whose sessions start with these run-time parameters (such
// as application_name); those the user has set stay as they are.
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

// Primary returns a copy that takes no standby for an answer, unless the user has
// said which servers will do.
func (d DSN) Primary() DSN {
	c := d
	c.cfg = d.cfg.Clone()
	if c.cfg.TargetSessionAttrs == "" || c.cfg.TargetSessionAttrs == pq.TargetSessionAttrsAny {
		c.cfg.TargetSessionAttrs = pq.TargetSessionAttrsPrimary
	}
	return c
}

// HasMultipleHosts reports whether there is more than one host to try.
func (d DSN) HasMultipleHosts() bool { return len(d.cfg.Multi) > 0 }

// Database is the name of the database that is asked for; empty means the user's own.
func (d DSN) Database() string { return d.cfg.Database }

// User is the role that connects.
func (d DSN) User() string { return d.cfg.User }

// Ignored lists the parameters of the URL that are another program's, or that cannot be
// obeyed here and need not be.
func (d DSN) Ignored() []string { return d.ignored }

// Address is "host:port" (a comma-separated list when there are several hosts), or the path of a Unix socket.
func (d DSN) Address() string {
	addr := hostPort(d.cfg.Host, d.cfg.Port)
	for _, m := range d.cfg.Multi {
		addr += "," + hostPort(m.Host, m.Port)
	}
	return addr
}

// Redact replaces every password that the run has had, wherever it stands in s,
// also in the encodings that URLs, JSON, SQL and Kubernetes' Secrets have for it.
func (d DSN) Redact(s string) string { return d.logins.hide(s) }

// String is safe to print: it leaves out the password and all parameters.
func (d DSN) String() string {
	return d.cfg.User + "@" + d.Address() + "/" + d.cfg.Database
}

// Format keeps %+v and %#v from reaching the fields.
func (d DSN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalJSON gives the safe form.
func (d DSN) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// LogValue gives the safe form.
func (d DSN) LogValue() slog.Value { return slog.StringValue(d.String()) }

func hostPort(host string, port uint16) string {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

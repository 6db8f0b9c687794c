package dsn

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
)

// A dbURL is a parsed connection URL.
type dbURL struct {
	user, password string
	hasPassword    bool
	host, port     string
	database       string
	params         url.Values
}

func isURL(s string) bool { return strings.Contains(s, "://") }

// splitURL parses postgres://user:password@host:port/database?params.
//
// net/url (and so golang-migrate and lib/pq) rejects or misreads a password with reserved
// characters that are not encoded: "p#ss" cuts the URL, "1/x" becomes a port and a path. If
// the strict parse is not plausible, the password extends to the last "@" that is followed
// by a host.
func splitURL(s string) (dbURL, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return dbURL{}, errors.New(schemeProblem(scheme))
	}
	if u, ok := strictURL(s); ok {
		return u, nil
	}
	for at := strings.LastIndex(rest, "@"); at >= 0; at = strings.LastIndex(rest[:at], "@") {
		u, ok := strictURL(scheme + "://" + rest[at+1:])
		if !ok {
			continue
		}
		user, password, hasPassword := strings.Cut(rest[:at], ":")
		u.user, u.password, u.hasPassword = unescape(user), unescape(password), hasPassword
		return u, nil
	}
	return dbURL{}, errors.New("not a connection URL; want postgres://user:password@host:5432/database?sslmode=… (or set the password separately, in PGPASSWORD)")
}

// strictURL reads s by the letter of RFC 3986 and reports whether that is plausible:
// a fragment has no meaning here, and an "@" behind the host with no user before
// it means that the userinfo was cut short.
func strictURL(s string) (dbURL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Fragment != "" || strings.HasSuffix(s, "#") || u.Opaque != "" {
		return dbURL{}, false
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return dbURL{}, false
	}
	if strings.Contains(u.EscapedPath(), "@") || strings.Contains(strings.TrimPrefix(u.Path, "/"), "/") {
		return dbURL{}, false
	}
	if u.User == nil && u.Port() != "" && u.Path == "" && strings.Contains(u.RawQuery, "@") {
		return dbURL{}, false
	}
	out := dbURL{
		params:   params,
		database: strings.TrimPrefix(u.Path, "/"),
	}
	out.host, out.port = hosts(u)
	if u.User != nil {
		out.user = u.User.Username()
		out.password, out.hasPassword = u.User.Password()
	}
	return out, true
}

// hosts returns the host and the port, or libpq's lists of hosts and ports: net/url treats
// all but the last port of "a:1,b:2" as part of the name.
func hosts(u *url.URL) (host, port string) {
	if !strings.Contains(u.Host, ",") {
		return u.Hostname(), u.Port()
	}
	var names, ports []string
	given := false
	for one := range strings.SplitSeq(u.Host, ",") {
		part := url.URL{Host: one}
		given = given || part.Port() != ""
		names, ports = append(names, part.Hostname()), append(ports, cmp.Or(part.Port(), defaultPort))
	}
	if given {
		port = strings.Join(ports, ",")
	}
	return strings.Join(names, ","), port
}

// defaultPort is PostgreSQL's default port.
const defaultPort = "5432"

// unescape decodes s if it is well-formed percent-encoding, and otherwise returns it unchanged.
func unescape(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// keywords returns the URL as libpq's key='value' string, which supports any character.
func (u *dbURL) keywords() string {
	var kv []string
	add := func(k, v string) {
		kv = append(kv, fmt.Sprintf("%s='%s'", k, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v)))
	}
	addSet := func(k, v string) {
		if v != "" {
			add(k, v)
		}
	}
	addSet("user", u.user)
	if u.hasPassword {
		add("password", u.password)
	}
	addSet("host", u.host)
	addSet("port", u.port)
	addSet("dbname", u.database)
	for k := range u.params {
		add(k, u.params.Get(k))
	}
	sort.Strings(kv)
	return strings.Join(kv, " ")
}

// rawPassword returns the password of a URL without decoding it; "" if there is none.
func rawPassword(s string) string {
	_, rest, _ := strings.Cut(s, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}

// HasPassword reports whether a URL or a libpq string contains a password.
func HasPassword(s string) bool {
	if !isURL(s) {
		return strings.Contains(strings.ReplaceAll(s, " ", ""), "password=")
	}
	u, err := splitURL(s)
	if err != nil {
		return false // Parse reports the error
	}
	return u.password+u.params.Get("password") != ""
}

// takeMigrateParams removes and returns golang-migrate's x-… parameters, which a server would
// reject as unknown settings. If one is given twice, golang-migrate uses the first.
func (u *dbURL) takeMigrateParams() map[string]string {
	out := map[string]string{}
	for k := range u.params {
		if strings.HasPrefix(k, "x-") {
			out[k] = u.params.Get(k)
			delete(u.params, k)
		}
	}
	return out
}

package exectool

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/subprocess"
	"github.com/shiplock/shiplock/internal/toolrun"
)

// sessionEnvironment returns an environment that sets the tool's application_name, and
// client_connection_check_interval so that statements end when their client is gone, unless
// the tool's command or environment sets them. A PGOPTIONS that is set and empty is kept.
func sessionEnvironment(c subprocess.Command, t *toolrun.ToolTrace, address string) []string {
	env := c.Env
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	set := map[string]string{}
	if name := values["PGAPPNAME"]; name == "" || toolrun.IsToolApplication(name) {
		set["PGAPPNAME"] = t.Application
	}
	const parameter = "client_connection_check_interval"
	options, given := values["PGOPTIONS"]
	if t.Checks && (options != "" || !given) && !strings.Contains(options, parameter) && !connectsElsewhere(c.Args, values, address) {
		set["PGOPTIONS"] = strings.TrimSpace(options + fmt.Sprintf(" -c %s=%d", parameter, checkInterval.Milliseconds()))
	}
	out := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := set[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return out
}

var (
	// databaseURL matches the address in a database URL. A password may contain any character.
	databaseURL = regexp.MustCompile(`(?i)\b(?:postgres|postgresql|pgx5?|postgis|jdbc:postgresql)(?:\+\w+)?://(?:[^\s"']*@)?([^\s"'@/?]*)`)
	urlUser     = regexp.MustCompile(`://([^:@/?\s"']+)(?::[^\s"']*)?@`)
	userKeyword = regexp.MustCompile(`(?i)(?:^|[?&;\s-])user(?:name)?=["']?([^&;\s"']+)`)
	userName    = regexp.MustCompile(`(?i)user(_?name)?$`)
)

// connectsElsewhere reports whether a command or its environment names a different
// PostgreSQL server: it may be a pooler, which rejects parameters that it does not support.
func connectsElsewhere(args []string, env map[string]string, address string) bool {
	ownHost, ownPort, err := net.SplitHostPort(address)
	if err != nil {
		return true // several servers, or a Unix socket
	}
	other := func(host, port string) bool {
		return host != "" && (!strings.EqualFold(strings.Trim(host, "[]"), ownHost) || (port != "" && port != ownPort) || port == "" && ownPort != "5432")
	}
	if host := env["PGHOST"]; host != "" && other(host, env["PGPORT"]) {
		return true
	}
	for _, value := range append(slices.Collect(maps.Values(env)), args...) {
		for _, m := range databaseURL.FindAllStringSubmatch(value, -1) {
			host, port, err := net.SplitHostPort(m[1])
			if err != nil {
				host, port = m[1], ""
			}
			if other(host, port) {
				return true
			}
		}
	}
	return false
}

// rolesOf returns the roles that a tool may log in as: the given role and those that its
// command and environment name.
func rolesOf(role string, c subprocess.Command) []string {
	roles := map[string]bool{role: true}
	for i, text := range append(slices.Clone(c.Args), c.Env...) {
		if i > 0 && i < len(c.Args) && slices.Contains([]string{"-U", "--user", "--username"}, c.Args[i-1]) {
			roles[text] = true
		}
		name, value, _ := strings.Cut(text, "=")
		if i >= len(c.Args) {
			if text = value; userName.MatchString(name) && name != "USER" {
				roles[value] = true
			}
		}
		for _, pattern := range []*regexp.Regexp{urlUser, userKeyword} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				roles[unescaped(m[1])] = true
			}
		}
	}
	delete(roles, "")
	return slices.Sorted(maps.Keys(roles))
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

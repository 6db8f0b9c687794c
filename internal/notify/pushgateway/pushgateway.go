// Package pushgateway sends the metrics of a run to a Prometheus Pushgateway.
//
// New returns the channel, which package cli/notifications calls. docs/reference/metrics.md lists
// the metrics.
package pushgateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
	"github.com/shiplock/shiplock/internal/text"
)

// New returns the channel. u is the address of the Pushgateway; agent is the User-Agent.
func New(u *url.URL, agent string) *notify.Channel {
	request := httprequest.Request{Client: httprequest.Client(httprequest.ViaProxy()), Header: httprequest.Header(agent, "text/plain; version=0.0.4; charset=utf-8")}
	return &notify.Channel{Name: "Pushgateway " + text.OneLine(u.Host), Accepts: changesDatabase, Send: func(ctx context.Context, m notify.Message) error {
		if m.Database == "" {
			return errors.New("not sent, because the database is unknown")
		}
		r := request
		r.URL, r.Body = strings.TrimRight(u.String(), "/")+groupPath(m), []byte(metrics(m))
		return r.Send(ctx)
	}}
}

// changesDatabase reports whether the command may change the database. The metrics of wait
// would replace those of the run that it waits for.
func changesDatabase(m notify.Message) bool {
	return slices.Contains([]string{"up", "down", "exec"}, m.Command)
}

// plainLabel matches values that need no encoding in a path.
var plainLabel = regexp.MustCompile(`^[\w.-]*[\w-]$`)

// groupPath returns the path with the grouping key. The next run for the same database and
// release replaces the metrics of this one. POST replaces only metrics of the same names, so
// a failure keeps the time of the last success.
func groupPath(m notify.Message) string {
	var b strings.Builder
	b.WriteString("/metrics/job/shiplock")
	_, database, _ := strings.Cut(m.Database, "@")
	for _, label := range [][2]string{{"namespace", m.Namespace}, {"release", m.Release}, {"database", database}} {
		switch value := label[1]; {
		case value == "":
		case plainLabel.MatchString(value):
			b.WriteString("/" + label[0] + "/" + value)
		default: // %2F would be read as a slash, and . or .. as a path segment
			b.WriteString("/" + label[0] + "@base64/" + base64.RawURLEncoding.EncodeToString([]byte(value)))
		}
	}
	return b.String()
}

// metrics returns the text exposition format, version 0.0.4, without unknown values.
func metrics(m notify.Message) string {
	var b strings.Builder
	gauge := func(name, help string, samples ...string) {
		fmt.Fprintf(&b, "# HELP shiplock_%s %s\n# TYPE shiplock_%s gauge\n", name, help, name)
		for _, s := range samples {
			fmt.Fprintf(&b, "shiplock_%s%s\n", name, s)
		}
	}
	number := func(f float64) string { return " " + strconv.FormatFloat(f, 'g', -1, 64) }
	if m.VersionTo != nil {
		gauge("schema_version", "Version of the schema, -1 if no migration is applied.", number(float64(*m.VersionTo)))
	}
	if m.Pending != nil {
		gauge("migrations_pending", "Number of migration files that are not applied.", number(float64(*m.Pending)))
	}
	if m.Applied != nil && m.RolledBack != nil {
		gauge("last_run_migrations", "Number of migrations that the last run applied (up) or rolled back (down).",
			fmt.Sprintf("{direction=\"down\"} %d", *m.RolledBack), fmt.Sprintf("{direction=\"up\"} %d", *m.Applied-*m.RolledBack))
	}
	gauge("last_run_duration_seconds", "Duration of the last run.", number(m.Seconds))
	gauge("last_run_exit_code", "Exit code of the last run, 0 for success.", number(float64(m.ExitCode)))
	gauge("last_run_outcome", "1 for the outcome of the last run, 0 for the others.", outcomeSamples(m.Outcome)...)
	ended := number(float64(m.Ended.UnixMilli()) / 1000)
	gauge("last_run_timestamp_seconds", "Time at which the last run ended.", ended)
	if m.Succeeded() {
		gauge("last_success_timestamp_seconds", "Time at which the last successful run ended.", ended)
	}
	return b.String()
}

func outcomeSamples(current string) []string {
	var out []string
	for _, code := range notify.ExitCodes() {
		name, value := notify.Outcome(code), 0
		if name == current {
			value = 1
		}
		out = append(out, fmt.Sprintf("{outcome=%q} %d", name, value))
	}
	slices.Sort(out)
	return out
}

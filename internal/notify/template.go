package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/shiplock/shiplock/internal/report"
)

// maxBody is the most bytes that a template may produce.
const maxBody = 256 << 10

// openTemplate reads the user's template and tests it with a failure and a success, so that
// an error is reported before anything runs. Templates refer to the fields of Message by
// their names in JSON.
func openTemplate(file string) (render, error) {
	text, err := read(file)
	if err != nil {
		return nil, optionErrorf("--webhook-template: %v", err)
	}
	t, err := template.New(filepath.Base(file)).Option("missingkey=error").Funcs(template.FuncMap{"json": jsonText}).Parse(string(text))
	if err != nil {
		return nil, optionErrorf("--webhook-template: %s", templateError(err))
	}
	for _, m := range Samples() {
		body, err := execute(t, m)
		if err != nil {
			return nil, optionErrorf("--webhook-template: %s (the fields are in docs/guides/notifications.md)", templateError(err))
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return nil, optionErrorf("--webhook-template: %s produces no output for a run that %s", file, m.Outcome)
		}
	}
	return func(m Message) ([]byte, string, error) {
		body, err := execute(t, m)
		return body, contentTypeOf(body), err
	}, nil
}

func templateError(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }

// jsonText returns a value as JSON, a string with its quotes.
func jsonText(v any) (string, error) {
	b, err := encode(v)
	return strings.TrimSuffix(string(b), "\n"), err
}

func execute(t *template.Template, m Message) ([]byte, error) {
	data, err := fields(m)
	if err != nil {
		return nil, err
	}
	body := &limited{}
	if err := t.Execute(body, data); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// fields returns the fields of the JSON, with integers as int64.
func fields(m Message) (map[string]any, error) {
	text, err := encode(m)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	out := map[string]any{}
	err = d.Decode(&out)
	return plain(out).(map[string]any), err
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

// A limited is a buffer for at most maxBody bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxBody {
		return 0, errors.New("the template produces more than 256 kB")
	}
	return l.Buffer.Write(p)
}

// WriteString keeps io.WriteString from bypassing Write.
func (l *limited) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

var _ io.StringWriter = (*limited)(nil)

// Samples returns a failure, a failure of which little is known, and a success.
func Samples() []Message {
	number := func(n int) *int { return &n }
	at := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	failed := Message{
		Schema: SchemaVersion, ID: "SAMPLE", Command: "up", Outcome: Outcome(report.ExitFailed), ExitCode: report.ExitFailed,
		Title:   "migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8",
		Rows:    []report.Row{{Name: "state", Text: "no changes of this migration remain"}, {Name: "next", Text: "correct the file and deploy again"}},
		Report:  "shiplock: migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8\n",
		Release: "booking", Revision: "3", Namespace: "shop", Job: "booking-shiplock", Pod: "booking-shiplock-x7k2p", Database: "booking@db:5432/booking",
		VersionFrom: number(8), VersionTo: number(8), Applied: number(0), RolledBack: number(0), Pending: number(1), Migrations: []Migration{}, Position: &Position{"0009_guest_accounts.up.sql", 5, 1},
		Started: at, Ended: at.Add(2 * time.Second), Seconds: 2, Migrator: "0.1.0",
	}
	unknown := failed
	unknown.ExitCode, unknown.Outcome, unknown.Title, unknown.Report = report.ExitUsage, Outcome(report.ExitUsage), "no database given", "shiplock: no database given\n"
	unknown.VersionFrom, unknown.VersionTo, unknown.Applied, unknown.RolledBack, unknown.Pending, unknown.Position = nil, nil, nil, nil, nil, nil
	unknown.Rows, unknown.Database, unknown.Release, unknown.Revision = []report.Row{}, "", "", ""
	succeeded := failed
	succeeded.ExitCode, succeeded.Outcome, succeeded.Position, succeeded.Rows, succeeded.Changed = 0, Outcome(0), nil, []report.Row{}, true
	succeeded.Title = "database is at version 9 (previously 8): 1 migration applied in 2s"
	succeeded.Report = "shiplock: " + succeeded.Title + "\n  database booking@db:5432/booking; release booking, revision 3, namespace shop\n"
	succeeded.VersionTo, succeeded.Applied, succeeded.Pending = number(9), number(1), number(0)
	succeeded.Migrations = []Migration{{9, "guest_accounts", "up"}}
	return []Message{failed, unknown, succeeded}
}

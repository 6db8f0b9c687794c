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

// maxBody is the most that a template may make.
const maxBody = 256 << 10

// openTemplate reads the user's template and tries it on a failure and on a success,
// so that a mistake is told before anything runs. It works on the fields of Message
// by their names in JSON.
func openTemplate(file string) (render, error) {
	text, err := read(file)
	if err != nil {
		return nil, optionErrorf("--webhook-template: %v", err)
	}
	t, err := template.New(filepath.Base(file)).Option("missingkey=error").Funcs(template.FuncMap{"json": jsonText}).Parse(string(text))
	if err != nil {
		return nil, optionErrorf("--webhook-template: %s", templateError(err))
	}
	for _, m := range samples() {
		body, err := execute(t, m)
		if err != nil {
			return nil, optionErrorf("--webhook-template: %s (the fields are in docs/guides/notifications.md)", templateError(err))
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return nil, optionErrorf("--webhook-template: %s makes nothing of a run that %s", file, m.Outcome)
		}
	}
	return func(m Message) ([]byte, string, error) {
		body, err := execute(t, m)
		return body, contentTypeOf(body), err
	}, nil
}

func templateError(err error) string { return strings.TrimPrefix(err.Error(), "template: ") }

// jsonText writes a value as JSON, a text with its quotes.
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

// fields are those of the JSON, numbers as int64 where they are whole.
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

// limited is a buffer that takes no more than maxBody.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxBody {
		return 0, errors.New("the template makes more than 256 kB")
	}
	return l.Buffer.Write(p)
}

// WriteString keeps io.WriteString from passing Write by.
func (l *limited) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

var _ io.StringWriter = (*limited)(nil)

// samples are a failure, one of which little is known, and a success.
func samples() []Message {
	number := func(n int) *int { return &n }
	at := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	failed := Message{
		Schema: SchemaVersion, ID: "SAMPLE", Verb: "up", Outcome: Outcome(report.ExitFailed), ExitCode: report.ExitFailed,
		Title:   "migration 0009_guest_accounts.up.sql failed; the database is as it was, at version 8",
		Rows:    []report.Row{{Name: "state", Text: "nothing of this migration was kept"}, {Name: "next", Text: "correct the file and deploy again"}},
		Report:  "shiplock: migration 0009_guest_accounts.up.sql failed; the database is as it was, at version 8\n",
		Release: "booking", Revision: "3", Namespace: "shop", Job: "booking-shiplock", Pod: "booking-shiplock-x7k2p", Database: "booking@db:5432/booking",
		VersionFrom: number(8), VersionTo: number(8), Applied: number(0), RolledBack: number(0), Pending: number(1), Migrations: []Migration{}, Position: &Position{"0009_guest_accounts.up.sql", 5, 1},
		Started: at, Ended: at.Add(2 * time.Second), Seconds: 2, Migrator: "0.1.0",
	}
	unknown := failed
	unknown.ExitCode, unknown.Outcome, unknown.Title, unknown.Report = report.ExitUsage, Outcome(report.ExitUsage), "no database given", "shiplock: no database given\n"
	unknown.VersionFrom, unknown.VersionTo, unknown.Applied, unknown.RolledBack, unknown.Pending, unknown.Position = nil, nil, nil, nil, nil, nil
	unknown.Rows, unknown.Database, unknown.Release, unknown.Revision = []report.Row{}, "", "", ""
	done := failed
	done.ExitCode, done.Outcome, done.Position, done.Rows, done.Changed = 0, Outcome(0), nil, []report.Row{}, true
	done.Title = "the database is at version 9, was 8: 1 migration applied in 2s"
	done.Report = "shiplock: " + done.Title + "\n  database booking@db:5432/booking; release booking, revision 3, namespace shop\n"
	done.VersionTo, done.Applied, done.Pending = number(9), number(1), number(0)
	done.Migrations = []Migration{{9, "guest_accounts", "up"}}
	return []Message{failed, unknown, done}
}

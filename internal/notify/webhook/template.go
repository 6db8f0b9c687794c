package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/notify/httprequest"
)

// maxBody is the most bytes that a template may produce.
const maxBody = 256 << 10

// Template parses the user's template and tests it with a failure and a success, so that an error
// is reported before anything runs. Templates refer to the fields of notify.Message by their names
// in JSON. file is the name of the template in errors.
func Template(file, text string) (Render, error) {
	t, err := template.New(filepath.Base(file)).Option("missingkey=error").Funcs(template.FuncMap{"json": jsonText}).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	for _, m := range notify.Samples() {
		body, err := execute(t, m)
		if err != nil {
			return nil, fmt.Errorf("%w (the fields are in docs/guides/notifications.md)", templateError(err))
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return nil, fmt.Errorf("%s produces no output for a run that %s", file, m.Outcome)
		}
	}
	return func(m notify.Message) ([]byte, string, error) {
		body, err := execute(t, m)
		return body, contentTypeOf(body), err
	}, nil
}

func templateError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "template: "))
}

// jsonText returns a value as JSON, a string with its quotes.
func jsonText(v any) (string, error) {
	b, err := httprequest.EncodeJSON(v)
	return strings.TrimSuffix(string(b), "\n"), err
}

func execute(t *template.Template, m notify.Message) ([]byte, error) {
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
func fields(m notify.Message) (map[string]any, error) {
	text, err := httprequest.EncodeJSON(m)
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

// contentTypeOf returns the content type of a template's output.
func contentTypeOf(body []byte) string {
	if json.Valid(body) {
		return httprequest.ContentJSON
	}
	return "text/plain; charset=utf-8"
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

package notify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// environment returns a Getenv without the variables of the machine.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func testOptions(change func(*Options)) Options {
	o := Options{Timeout: 20 * time.Second, Agent: "shiplock/test", Getenv: environment(nil)}
	change(&o)
	return o
}

func newNotifier(t *testing.T, change func(*Options)) *Notifier {
	t.Helper()
	n, err := New(testOptions(change))
	require.NoError(t, err)
	return n
}

// failureMessage and successMessage return the messages of two runs.
func failureMessage() Message {
	m := Samples()[0]
	m.Rows = []report.Row{
		{Name: "migration", Text: "0009_guest_accounts.up.sql, line 5, column 1 (version 9 up)"},
		{Name: "statement", Text: "ALTER TABLE guests ADD CONSTRAINT guests_email_key UNIQUE (email)"},
		{Name: "postgres", Text: `ERROR: could not create unique index "guests_email_key" (SQLSTATE 23505)`},
		{Name: "state", Text: "no changes of this migration remain; 0 of 1 migrations completed, 1 remaining"},
		{Name: "next", Text: "correct 0009_guest_accounts.up.sql and deploy again; the next run starts with this migration"},
	}
	m.Report = report.Report{Code: m.ExitCode, Title: m.Title, Rows: m.Rows}.String()
	return m
}

func successMessage() Message { return Samples()[2] }

// indentedJSON returns indented JSON.
func indentedJSON(t *testing.T, text []byte) []byte {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	out, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	return append(out, '\n')
}

func TestDeliver_Message_MatchesGolden(t *testing.T) {
	for name, m := range map[string]Message{"failure": failureMessage(), "success": successMessage(), "unknown": Samples()[1]} {
		for format, render := range map[string]render{"json": renderJSON, "slack": renderSlack} {
			body, contentType, err := render(m)
			require.NoError(t, err)
			assert.Equal(t, contentJSON, contentType)
			fixture.Golden(t, name+"."+format, string(indentedJSON(t, body)))
		}
		fixture.Golden(t, name+".metrics", groupPath(m)+"\n"+metrics(m))
		event, err := encode(testOptions(func(o *Options) { o.JobUID = "8c5c8d54" }).eventOf(m, "shop"))
		require.NoError(t, err)
		fixture.Golden(t, name+".event", string(indentedJSON(t, event)))
	}
}

func TestDeliver_Outcome_SelectsChannels(t *testing.T) {
	o := testOptions(func(o *Options) {})
	idle := successMessage()
	idle.Changed = false
	assert.True(t, o.acceptsOutcome(failureMessage()))
	assert.False(t, o.acceptsOutcome(successMessage()), "success is not enabled")
	o.Success = true
	assert.True(t, o.acceptsOutcome(successMessage()))
	assert.False(t, o.acceptsOutcome(idle), "the database did not change")
	wait := failureMessage()
	wait.Command = "wait"
	assert.True(t, o.acceptsOutcome(wait))
	assert.False(t, changesDatabase(wait), "wait has no metrics")
	assert.True(t, changesDatabase(idle))
}

// newReceiver returns an HTTP server on loopback.
func newReceiver(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

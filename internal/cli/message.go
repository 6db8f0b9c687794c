package cli

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
)

// A summary is what a successful command reports.
type summary struct {
	report.Result
	title         string // replaces the first line of report.Success
	changed       bool
	versionsKnown bool // From and To are set
	stepsKnown    bool
	nonePending   bool
	steps         []planner.Run
}

// message returns the notification of a run that ended with err.
func (a *app) message(command string, err error) notify.Message {
	id, now := identity(), time.Now()
	m := notify.Message{
		Schema: notify.SchemaVersion, ID: notify.NewID(), Command: command, Rows: []report.Row{}, Migrations: []notify.Migration{},
		Release: id.Release, Revision: id.Revision, Namespace: id.Namespace, Pod: id.Pod, Job: os.Getenv("SHIPLOCK_JOB"),
		Database: a.database, Started: a.started.UTC(), Ended: now.UTC(), Seconds: now.Sub(a.started).Round(time.Millisecond).Seconds(), Migrator: version(),
	}
	if err != nil {
		a.failed(&m, command, err)
	} else {
		a.succeeded(&m, command, now)
	}
	m.Outcome = notify.Outcome(m.ExitCode)
	return m
}

func (a *app) failed(m *notify.Message, command string, err error) {
	r := report.Diagnose(err, a.runInfo(command), a.redact)
	m.ExitCode, m.Title, m.Rows, m.Report = r.Code, r.Title, r.Rows, r.String()
	m.Position = position(err)
	var run *engine.RunError
	if !errors.As(err, &run) {
		return
	}
	at := run.At()
	m.VersionFrom, m.VersionTo, m.Changed = &run.Plan.From, &at, run.Applied > 0
	addMigrations(m, planner.RunsOf(run.Plan.Steps[:run.Applied]))
	pending := len(planner.InDirection(planner.RunsOf(run.Plan.Steps[run.Applied:]), planner.Up))
	if command == "up" {
		m.Pending = &pending
	}
}

// position returns the position of an error in a migration file, or nil.
func position(err error) *notify.Position {
	var (
		migration *postgres.MigrationError
		script    *postgres.ScriptError
		unknown   *postgres.UnknownOutcomeError
		state     *postgres.SessionStateError
	)
	switch {
	case errors.As(err, &script) && script.File != "":
		return &notify.Position{File: script.File, Line: script.Line}
	case errors.As(err, &unknown):
		return &notify.Position{File: unknown.File, Line: unknown.Line}
	case errors.As(err, &state):
		return &notify.Position{File: state.File, Line: state.NextLine}
	case errors.As(err, &migration):
		line, column := migration.Position()
		return &notify.Position{File: migration.File, Line: line, Column: column}
	}
	return nil
}

func (a *app) succeeded(m *notify.Message, command string, now time.Time) {
	s := a.summary
	s.Took = now.Sub(a.started)
	m.Report = a.redact(report.Success(s.Result, a.runInfo(command)))
	if _, details, ok := strings.Cut(m.Report, "\n"); ok && s.title != "" {
		m.Report = "shiplock: " + sanitize.Line(a.redact(s.title)) + "\n" + details
	}
	first, _, _ := strings.Cut(m.Report, "\n")
	m.Title, m.Changed = strings.TrimPrefix(first, "shiplock: "), s.changed
	zero := 0
	if s.versionsKnown {
		m.VersionTo = &s.To
	}
	if s.stepsKnown {
		m.VersionFrom = &s.From
		addMigrations(m, s.steps)
	}
	if s.nonePending {
		m.Pending = &zero
	}
}

// addMigrations adds the migrations that ran, limited to the most recent notify.MaxMigrations.
func addMigrations(m *notify.Message, runs []planner.Run) {
	applied, rolledBack := len(runs), len(planner.InDirection(runs, planner.Down))
	m.Applied, m.RolledBack = &applied, &rolledBack
	for _, r := range runs[max(0, applied-notify.MaxMigrations):] {
		m.Migrations = append(m.Migrations, notify.Migration{Version: r.Version, Name: r.Name, Direction: string(r.Direction)})
	}
}

// summarize stores the result of up or down for the notification.
func (a *app) summarize(r engine.Result) {
	a.summary = &summary{Result: report.Result{From: r.From, To: r.To, Applied: r.Applied, Newer: r.Newer, RolledBack: r.DownSteps()}, changed: r.Applied > 0, versionsKnown: true, stepsKnown: true, steps: r.Steps}
}

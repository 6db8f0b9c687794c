// Package outcome describes how a run ended: Run.Message converts an error, or the Summary of
// a successful command, to the message that is reported on standard error and sent as a
// notification. Package cli calls it once, at the end of a run.
package outcome

import (
	"errors"
	"time"

	"github.com/shiplock/shiplock/internal/cli/sanitize"
	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/checkfailure"
	"github.com/shiplock/shiplock/internal/report/failure"
	"github.com/shiplock/shiplock/internal/resume"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// A Summary is what a successful command reports.
type Summary struct {
	report.Result
	Title         string // replaces that of report.Success
	Changed       bool
	VersionsKnown bool // From and To are set
	StepsKnown    bool
	NonePending   bool
	Steps         []planner.Step
}

// Migrated returns the summary of a run of migrations.
func Migrated(r migrator.Result) *Summary {
	return &Summary{Result: report.Result{From: r.From, To: r.To, Applied: r.Applied, Newer: r.Newer, RolledBack: r.RolledBack()},
		Changed: r.Applied > 0, VersionsKnown: true, StepsKnown: true, Steps: r.Steps}
}

// Message returns the message of a run that failed with err, or succeeded with s if err is nil.
func (r Run) Message(s *Summary, err error) notify.Message {
	now := time.Now()
	m := notify.Message{
		Schema: notify.SchemaVersion, ID: notify.NewID(), Command: r.Command, Rows: []report.Row{}, Migrations: []notify.Migration{},
		Release: r.Release, Revision: r.Revision, Namespace: r.Namespace, Pod: r.Pod, Job: r.Job,
		Database: r.Database, Started: r.Started.UTC(), Ended: now.UTC(), Seconds: now.Sub(r.Started).Round(time.Millisecond).Seconds(), Migrator: r.Migrator,
	}
	if err != nil {
		r.failed(&m, err)
	} else {
		r.succeeded(&m, *s, now)
	}
	m.Outcome = notify.Outcome(m.ExitCode)
	return m
}

func (r Run) failed(m *notify.Message, err error) {
	diagnosis, found := checkfailure.Build(err)
	if found {
		diagnosis = diagnosis.Complete(r.Run, r.Redact)
	} else {
		diagnosis = failure.Report(err, r.Run, r.Redact)
	}
	m.ExitCode, m.Title, m.Rows, m.Report = diagnosis.Code, diagnosis.Title, diagnosis.Rows, diagnosis.String()
	m.Position = position(err)
	var run *migrator.RunError
	if !errors.As(err, &run) {
		return
	}
	at := run.At()
	m.VersionFrom, m.VersionTo, m.Changed = &run.Plan.From, &at, run.Applied > 0
	addMigrations(m, run.Plan.Steps[:run.Applied])
	pending := len(planner.InDirection(run.Plan.Steps[run.Applied:], source.Up))
	if r.Command == "up" {
		m.Pending = &pending
	}
}

// position returns the position of an error in a migration file, or nil.
func position(err error) *notify.Position {
	var (
		migration *migrationerror.Error
		script    *script.ScriptError
		unknown   *resume.UnknownOutcomeError
		state     *resume.SessionStateError
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

func (r Run) succeeded(m *notify.Message, s Summary, now time.Time) {
	s.Took = now.Sub(r.Started)
	success := report.Success(s.Result, r.Run)
	success.Title, success.Where = r.Redact(success.Title), r.Redact(success.Where)
	if s.Title != "" {
		success.Title = sanitize.Line(r.Redact(s.Title))
	}
	m.Title, m.Report, m.Changed = success.Title, success.String(), s.Changed
	if s.VersionsKnown {
		m.VersionTo = &s.To
	}
	if s.StepsKnown {
		m.VersionFrom = &s.From
		addMigrations(m, s.Steps)
	}
	if s.NonePending {
		m.Pending = new(int)
	}
}

// addMigrations adds the migrations that ran, limited to the most recent notify.MaxMigrations.
func addMigrations(m *notify.Message, steps []planner.Step) {
	applied, rolledBack := len(steps), len(planner.InDirection(steps, source.Down))
	m.Applied, m.RolledBack = &applied, &rolledBack
	for _, s := range steps[max(0, applied-notify.MaxMigrations):] {
		m.Migrations = append(m.Migrations, notify.Migration{Version: int(s.Migration.Version), Name: s.Migration.Name, Direction: string(s.Direction)})
	}
}

package cli

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/engine"
	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/plan"
	"github.com/shiplock/shiplock/internal/postgres"
	"github.com/shiplock/shiplock/internal/report"
)

// ending is what a verb that has succeeded says of itself.
type summary struct {
	report.Result
	title   string // instead of report.Success's first line
	changed bool
	numbers bool // From and To are known, and, with applied, what was run
	applied bool
	pending bool // nothing is
	steps   []plan.Run
}

// message is what goes out of a run that has ended with err.
func (a *app) message(verb string, err error) notify.Message {
	id, now := identity(), time.Now()
	m := notify.Message{
		Schema: notify.SchemaVersion, ID: notify.NewID(), Verb: verb, Rows: []report.Row{}, Migrations: []notify.Migration{},
		Release: id.Release, Revision: id.Revision, Namespace: id.Namespace, Pod: id.Pod, Job: os.Getenv("SHIPLOCK_JOB"),
		Database: a.database, Started: a.started.UTC(), Ended: now.UTC(), Seconds: now.Sub(a.started).Round(time.Millisecond).Seconds(), Migrator: version(),
	}
	if err != nil {
		a.failed(&m, verb, err)
	} else {
		a.succeeded(&m, verb, now)
	}
	m.Outcome = notify.Outcome(m.ExitCode)
	return m
}

func (a *app) failed(m *notify.Message, verb string, err error) {
	card := report.Diagnose(err, a.runInfo(verb), a.redact)
	m.ExitCode, m.Title, m.Rows, m.Report = card.Code, card.Title, card.Rows, card.String()
	m.Position = position(err)
	var run *engine.RunError
	if !errors.As(err, &run) {
		return
	}
	at := run.At()
	m.VersionFrom, m.VersionTo, m.Changed = &run.Plan.From, &at, run.Applied > 0
	addMigrations(m, plan.RunsOf(run.Plan.Steps[:run.Applied]))
	left := len(plan.InDirection(plan.RunsOf(run.Plan.Steps[run.Applied:]), plan.Up))
	if verb == "up" {
		m.Pending = &left
	}
}

// placeOf is the place of a mistake in a file.
func position(err error) *notify.Position {
	var (
		migration *postgres.MigrationError
		script    *postgres.ScriptError
		doubt     *postgres.UnknownOutcomeError
		state     *postgres.SessionStateError
	)
	switch {
	case errors.As(err, &script) && script.File != "":
		return &notify.Position{File: script.File, Line: script.Line}
	case errors.As(err, &doubt):
		return &notify.Position{File: doubt.File, Line: doubt.Line}
	case errors.As(err, &state):
		return &notify.Position{File: state.File, Line: state.NextLine}
	case errors.As(err, &migration):
		line, column := migration.Position()
		return &notify.Position{File: migration.File, Line: line, Column: column}
	}
	return nil
}

func (a *app) succeeded(m *notify.Message, verb string, now time.Time) {
	e := a.summary
	e.Took = now.Sub(a.started)
	m.Report = a.redact(report.Success(e.Result, a.runInfo(verb)))
	if _, where, ok := strings.Cut(m.Report, "\n"); ok && e.title != "" {
		m.Report = "shiplock: " + oneLine(a.redact(e.title)) + "\n" + where
	}
	first, _, _ := strings.Cut(m.Report, "\n")
	m.Title, m.Changed = strings.TrimPrefix(first, "shiplock: "), e.changed
	none := 0
	if e.numbers {
		m.VersionTo = &e.To
	}
	if e.applied {
		m.VersionFrom = &e.From
		addMigrations(m, e.steps)
	}
	if e.pending {
		m.Pending = &none
	}
}

// ran tells what was run, of very many the last: where the database is now.
func addMigrations(m *notify.Message, runs []plan.Run) {
	applied, undone := len(runs), len(plan.InDirection(runs, plan.Down))
	m.Applied, m.RolledBack = &applied, &undone
	for _, r := range runs[max(0, applied-notify.MaxMigrations):] {
		m.Migrations = append(m.Migrations, notify.Migration{Version: r.Version, Name: r.Name, Direction: string(r.Direction)})
	}
}

// ended takes note of what up or down have done.
func (a *app) summarize(r engine.Result) {
	a.summary = &summary{Result: report.Result{From: r.From, To: r.To, Applied: r.Applied, Newer: r.Newer, RolledBack: r.DownSteps()}, changed: r.Applied > 0, numbers: true, applied: true, steps: r.Steps}
}

package migrator

import (
	"context"
	"io"
	"strings"

	"github.com/shiplock/shiplock/internal/database"
	"github.com/shiplock/shiplock/internal/dataloss"
	"github.com/shiplock/shiplock/internal/executor"
	"github.com/shiplock/shiplock/internal/planner"
	"github.com/shiplock/shiplock/internal/script"
	"github.com/shiplock/shiplock/internal/source"
)

// A Preview is what Up or Down would do now.
type Preview struct {
	Database string        `json:"database"` // user@host:port/name
	From     *uint         `json:"from"`     // null before the first migration
	To       *uint         `json:"to"`
	Newer    bool          `json:"database_ahead"` // the database is ahead of the files, and nothing would run
	Steps    []PreviewStep `json:"steps"`
	// Ahead lists the applied versions above the newest file that the history table records.
	Ahead []AheadMigration `json:"versions_ahead,omitempty"`
}

// An AheadMigration is an applied migration above the newest file.
type AheadMigration struct {
	Version uint   `json:"version"`
	Name    string `json:"name"`
}

// A PreviewStep is one file that would run.
type PreviewStep struct {
	Version   uint             `json:"version"`
	Direction source.Direction `json:"direction"`
	// File is its name. FromHistory is set if there is no such file, and the SQL in the
	// history table would run.
	File        string `json:"file"`
	FromHistory bool   `json:"from_history,omitempty"`
	Statements  int    `json:"statements"`
	// Transactional is false for a file that runs statement by statement.
	Transactional bool `json:"transactional"`
	// StatementsApplied is the number of statements already applied, if the file is partially applied.
	StatementsApplied int `json:"statements_applied"`
	// SQL is the beginning of a down script.
	SQL string `json:"sql,omitempty"`
	// Loses is the data that a rollback would delete.
	Loses []dataloss.Loss `json:"data_loss,omitempty"`
}

// Plan returns what Up would do, and returns the same errors as Up. It changes nothing and
// takes no lock, so another migrator may run in the meantime.
func Plan(ctx context.Context, o Options) (Preview, error) {
	return preview(ctx, o, goal{plan: planner.ForUp, allFiles: true})
}

// PlanDown is Plan for Down, or for DownToFiles if to is nil. Data loss is reported and not
// refused.
func PlanDown(ctx context.Context, o Options, to *uint) (Preview, error) {
	if to == nil {
		return preview(ctx, o, goal{plan: planner.ForDownToFiles})
	}
	return preview(ctx, o, goal{plan: downTo(*to)})
}

func preview(ctx context.Context, o Options, g goal) (Preview, error) {
	files, err := OpenFiles(ctx, o)
	if err != nil {
		return Preview{}, err
	}
	db, err := database.Open(ctx, o.Postgres)
	if err != nil {
		return Preview{}, err
	}
	defer db.Close(o.Log)
	d, err := makePlan(ctx, o, g, files, db)
	if err != nil {
		return Preview{}, err
	}
	p := d.plan
	out := Preview{Database: db.Session.Target(), From: versionPointer(p.From), To: versionPointer(p.To), Newer: p.Newer, Steps: []PreviewStep{}}
	for _, m := range p.Ahead {
		out.Ahead = append(out.Ahead, AheadMigration{Version: m.Version, Name: m.Name})
	}
	return out, inspectSteps(ctx, o, db, d, &out)
}

// inspectSteps reads every file of the plan as a run would.
func inspectSteps(ctx context.Context, o Options, db *database.Database, d decision, out *Preview) error {
	migrations, err := executor.Load(d.catalog, d.plan, d.statementsApplied)
	if err != nil {
		return err
	}
	if err := checkRequirements(db, migrations, o.TxMode == TxModeAll); err != nil {
		return err
	}
	for _, m := range migrations {
		s, err := script.LoadFile(m.File, m.Open)
		if err != nil {
			return err
		}
		file, fromHistory := source.FromHistory(m.File)
		step := PreviewStep{Version: uint(m.Entry.Version), Direction: m.Entry.Direction, File: file,
			FromHistory: fromHistory, Statements: s.Count(), Transactional: s.Transactional, StatementsApplied: m.Entry.StatementsApplied}
		if step.Direction == source.Down {
			step.SQL, err = excerpt(m.Open)
			if err != nil {
				return err
			}
		}
		out.Steps = append(out.Steps, step)
	}
	losses, _, err := db.Losses.Find(ctx, d.catalog, d.plan.Steps, d.statementsApplied)
	for _, l := range losses {
		out.Steps[l.Step].Loses = append(out.Steps[l.Step].Loses, l)
	}
	return err
}

// Limits of the excerpt of a file.
const (
	excerptLines = 6
	excerptBytes = 2 << 10
)

// excerpt returns the beginning of a file's text, in whole lines.
func excerpt(open func() (io.ReadCloser, error)) (string, error) {
	f, err := open()
	if err != nil {
		return "", err
	}
	head, err := io.ReadAll(io.LimitReader(f, excerptBytes))
	if closed := f.Close(); err == nil {
		err = closed
	}
	text := strings.TrimSpace(strings.ToValidUTF8(strings.TrimPrefix(string(head), "\ufeff"), ""))
	lines := strings.SplitAfterN(text, "\n", excerptLines+1)
	if len(lines) > excerptLines {
		return strings.Join(lines[:excerptLines], "") + "…", err
	}
	if len(head) == excerptBytes {
		text += " …"
	}
	return text, err
}

func versionPointer(v int) *uint {
	if v == planner.NoVersion {
		return nil
	}
	n := uint(v)
	return &n
}

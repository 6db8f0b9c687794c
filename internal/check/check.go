package check

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/gitbase"
	"github.com/shiplock/shiplock/internal/check/statements"
	"github.com/shiplock/shiplock/internal/config"
)

// Options are what to check.
type Options struct {
	Source string // the migrations directory
	// Base is the git ref whose files are merged; empty for the remote's default branch, if the
	// clone records it.
	Base            string
	PostgresVersion int // major version of the server; 0 for that of the settings file
}

// A Result is what a check found.
type Result struct {
	Base *Base `json:"base"` // nil without a base: then every file counts as new
	// Directory is the migrations directory, relative to the root of the git work tree if there is
	// one.
	Directory       string            `json:"directory"`
	Files           int               `json:"files"`
	NewFiles        int               `json:"new_files"`
	PostgresVersion int               `json:"postgres_version"`
	Findings        []finding.Finding `json:"findings"`
}

// A Base is the commit that the files were compared with.
type Base struct {
	Ref     string `json:"ref"`
	Commit  string `json:"commit"`
	Version uint   `json:"version"` // the newest version; 0 if it has no migrations
}

// A FailedError reports that findings of severity error were found.
type FailedError struct{ Result Result }

func (e *FailedError) Error() string {
	return fmt.Sprintf("check: %d errors", finding.Count(e.Result.Findings, finding.Error))
}

// Run checks the files. It returns a *FailedError beside the result if there is a finding of
// severity error, and other errors if the files, the base or the settings cannot be read.
func Run(ctx context.Context, o Options) (Result, error) {
	d, err := readDirectory(o.Source)
	if err != nil {
		return Result{}, err
	}
	settings, err := readSettings(o.Source)
	if err != nil {
		return Result{}, err
	}
	if v := settings.version(o.PostgresVersion); v < OldestPostgres || v > NewestPostgres {
		return Result{}, &config.UsageError{Problem: fmt.Sprintf("invalid --postgres-version %d: want a major version from %d to %d", v, OldestPostgres, NewestPostgres)}
	}
	base, err := openBase(ctx, o)
	if err != nil {
		return Result{}, err
	}
	c := comparison{directory: d, base: base}
	if err := c.compare(ctx); err != nil {
		return Result{}, err
	}
	r := Result{Directory: filepath.ToSlash(filepath.Clean(o.Source)), Files: len(d.files), NewFiles: d.newFiles(), PostgresVersion: settings.version(o.PostgresVersion)}
	if base != nil {
		r.Directory, r.Base = base.Directory, &Base{Ref: base.Ref, Commit: base.Commit, Version: c.newest}
	}
	findings := append(d.findings, c.findings...)
	findings = append(findings, d.checkFiles()...)
	ofStatements, err := statements.Check(d.upFiles(), r.PostgresVersion)
	if err != nil {
		return Result{}, err
	}
	findings = append(findings, ofStatements...)
	r.Findings = settings.apply(applyAllows(d.files, settings, findings))
	finding.Sort(r.Findings)
	if finding.Count(r.Findings, finding.Error) > 0 {
		return r, &FailedError{r}
	}
	return r, nil
}

// openBase opens the base; nil if none is given and there is no default.
func openBase(ctx context.Context, o Options) (*gitbase.Base, error) {
	ref := o.Base
	if ref == "" {
		var err error
		if ref, err = gitbase.DefaultRef(ctx, o.Source); errors.Is(err, gitbase.ErrNoRepository) || ref == "" {
			return nil, nil // without a base every file is new
		} else if err != nil {
			return nil, err
		}
	}
	return gitbase.Open(ctx, o.Source, ref)
}

package check

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/shiplock/shiplock/internal/check/finding"
)

// SettingsFile is the name of the settings file. It is searched in the migrations directory and in
// the directories above it, up to the root of the git repository.
const SettingsFile = ".shiplock.yaml"

// NewestPostgres and OldestPostgres are the major versions of PostgreSQL whose behavior the rules know.
const (
	OldestPostgres = 14
	NewestPostgres = 18
)

// settings are the contents of a settings file.
type settings struct {
	Check struct {
		PostgresVersion int       `yaml:"postgres-version"`
		Rules           yaml.Node `yaml:"rules"`
	} `yaml:"check"`
	severities map[string]finding.Severity
}

// A SettingsError reports an invalid settings file.
type SettingsError struct {
	File    string
	Line    int // 0 if unknown
	Problem string
}

func (e *SettingsError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Problem
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}

// readSettings reads the settings file for a migrations directory; without one, the settings are
// the defaults. Errors are *SettingsError, and those of reading.
func readSettings(source string) (settings, error) {
	var s settings
	path, text, err := findSettings(source)
	if err != nil || path == "" {
		return s, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, &SettingsError{File: path, Problem: strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")}
	}
	if v := s.Check.PostgresVersion; v != 0 && (v < OldestPostgres || v > NewestPostgres) {
		return s, &SettingsError{File: path, Problem: fmt.Sprintf("check.postgres-version %d: want a major version from %d to %d", v, OldestPostgres, NewestPostgres)}
	}
	s.severities, err = severities(path, s.Check.Rules)
	return s, err
}

// findSettings returns the path and text of the settings file; "" if there is none.
func findSettings(source string) (path string, text []byte, err error) {
	dir, err := filepath.Abs(source)
	if err != nil {
		return "", nil, err
	}
	for {
		path := filepath.Join(dir, SettingsFile)
		text, err := os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return path, text, err
		}
		_, err = os.Stat(filepath.Join(dir, ".git"))
		if parent := filepath.Dir(dir); err != nil && parent != dir {
			dir = parent
			continue
		}
		return "", nil, nil
	}
}

// severities reads the severities of rules. It takes a node for the lines of its errors.
func severities(path string, n yaml.Node) (map[string]finding.Severity, error) {
	out := map[string]finding.Severity{}
	if n.Kind == 0 {
		return out, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, &SettingsError{File: path, Line: n.Line, Problem: "check.rules: want RULE: error, warning or off"}
	}
	for i := 0; i < len(n.Content); i += 2 {
		rule, severity := n.Content[i], finding.Severity(n.Content[i+1].Value)
		if _, known := finding.Lookup(rule.Value); !known {
			return nil, &SettingsError{File: path, Line: rule.Line, Problem: fmt.Sprintf("unknown rule %q; `migrator check --rules` lists the rules", rule.Value)}
		}
		switch severity {
		case finding.Error, finding.Warning, finding.Off:
		default:
			return nil, &SettingsError{File: path, Line: rule.Line, Problem: fmt.Sprintf("severity %q of rule %s: want error, warning or off", severity, rule.Value)}
		}
		out[rule.Value] = severity
	}
	return out, nil
}

// severity returns the severity of a rule.
func (s settings) severity(rule string) finding.Severity {
	if severity, set := s.severities[rule]; set {
		return severity
	}
	r, _ := finding.Lookup(rule)
	return r.Severity
}

// apply sets the severities of findings, and removes those of rules that are off.
func (s settings) apply(findings []finding.Finding) []finding.Finding {
	out := []finding.Finding{}
	for _, f := range findings {
		if f.Severity = s.severity(f.Rule); f.Severity != finding.Off {
			out = append(out, f)
		}
	}
	return out
}

// version returns the major version of PostgreSQL to check for; requested is that of the command
// line, 0 for none.
func (s settings) version(requested int) int {
	return cmp.Or(requested, s.Check.PostgresVersion, NewestPostgres)
}

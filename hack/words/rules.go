package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// A Rule is a banned expression and its replacement.
type Rule struct {
	Pattern     *regexp.Regexp
	Replacement string
	// Except is an expression that the rule does not apply to, or nil.
	Except *regexp.Regexp
	// ProseOnly rules do not apply to identifiers.
	ProseOnly bool
}

// valeRule is the part of a Vale rule file that the check reads.
type valeRule struct {
	Extends string            `json:"extends"`
	Swap    map[string]string `json:"swap"`
	Tokens  []string          `json:"tokens"`
	// Exceptions are expressions that are allowed, as a list of regular expressions.
	Exceptions []string `json:"exceptions"`
}

// readRules returns the substitution and existence rules of a Vale style.
func readRules(style string) ([]Rule, error) {
	files, err := filepath.Glob(filepath.Join(style, "*.yml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no rules", style)
	}
	var rules []Rule
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var rule valeRule
		if err := yaml.Unmarshal(text, &rule); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		var except *regexp.Regexp
		if len(rule.Exceptions) > 0 {
			if except, err = compile(strings.Join(rule.Exceptions, "|")); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		switch rule.Extends {
		case "substitution":
			keys := make([]string, 0, len(rule.Swap))
			for key := range rule.Swap {
				keys = append(keys, key)
			}
			sort.Strings(keys)
			for _, key := range keys {
				pattern, err := compile(key)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				rules = append(rules, Rule{Pattern: pattern, Replacement: rule.Swap[key], Except: except})
			}
		case "existence":
			if filepath.Base(file) != "FirstPerson.yml" {
				continue
			}
			for _, token := range rule.Tokens {
				pattern, err := compile(token)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				rules = append(rules, Rule{Pattern: pattern, Replacement: "the actor's name", ProseOnly: true})
			}
		}
	}
	return rules, nil
}

// compile makes a regular expression of a rule's key: whole words, in upper or lower case. Keys have
// \s+ between words, so that they match across lines.
func compile(key string) (*regexp.Regexp, error) {
	return regexp.Compile(`(?i)\b(?:` + key + `)\b`)
}

// An Exception allows words in some files, or in an expression that contains them.
type Exception struct {
	// Files are path patterns, where ** stands for any number of folders; none stands for all files.
	Files []string `json:"files"`
	// Words are the words that the files may use. Alternatively, In is a regular expression of the text around an allowed word.
	Words []string `json:"words"`
	In    string   `json:"in"`
	// Reason is why.
	Reason string `json:"reason"`

	files []*regexp.Regexp
	in    *regexp.Regexp
	used  bool
}

func readExceptions(file string) ([]*Exception, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var exceptions []*Exception
	if err := yaml.UnmarshalStrict(text, &exceptions); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, e := range exceptions {
		if err := e.compile(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, e, err)
		}
	}
	return exceptions, nil
}

func (e *Exception) compile() error {
	if e.Reason == "" {
		return errors.New("the reason is missing")
	}
	if (len(e.Words) == 0) == (e.In == "") {
		return errors.New(`set either "words" or "in"`)
	}
	for _, pattern := range e.Files {
		quoted := regexp.QuoteMeta(pattern)
		quoted = strings.ReplaceAll(quoted, `\*\*`, `.*`)
		quoted = regexp.MustCompile(`\\\*`).ReplaceAllString(quoted, `[^/]*`)
		compiled, err := regexp.Compile("^" + quoted + "$")
		if err != nil {
			return err
		}
		e.files = append(e.files, compiled)
	}
	if e.In != "" {
		compiled, err := regexp.Compile("(?i)" + strings.ReplaceAll(e.In, " ", `\s+`))
		if err != nil {
			return err
		}
		e.in = compiled
	}
	return nil
}

func (e *Exception) String() string {
	what := e.In
	if what == "" {
		what = strings.Join(e.Words, ", ")
	}
	return fmt.Sprintf("hack/words/exceptions.yaml: %q in %v", what, e.Files)
}

func (e *Exception) appliesTo(file string) bool {
	if len(e.files) == 0 {
		return true
	}
	for _, pattern := range e.files {
		if pattern.MatchString(file) {
			return true
		}
	}
	return false
}

// allows reports whether the exception allows the text from start to end.
func (e *Exception) allows(text string, start, end int) bool {
	for _, word := range e.Words {
		if strings.EqualFold(word, text[start:end]) {
			return true
		}
	}
	if e.in == nil {
		return false
	}
	from := max(0, start-200)
	to := min(len(text), end+200)
	for _, match := range e.in.FindAllStringIndex(text[from:to], -1) {
		if from+match[0] <= start && end <= from+match[1] {
			return true
		}
	}
	return false
}

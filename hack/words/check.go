package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
)

// A Hit is a banned word in a file.
type Hit struct {
	File, Word, Replacement string
	Line                    int
}

func (h Hit) String() string {
	return fmt.Sprintf("%s:%d: %q: use %q", h.File, h.Line, h.Word, h.Replacement)
}

// A Checker finds banned words in files.
type Checker struct {
	rules      []Rule
	exceptions []*Exception
	mu         sync.Mutex // guards the exceptions' used
}

// NewChecker returns a Checker with the rules of a Vale style and the exceptions of a file.
func NewChecker(style, exceptions string) (*Checker, error) {
	rules, err := readRules(style)
	if err != nil {
		return nil, err
	}
	allowed, err := readExceptions(exceptions)
	if err != nil {
		return nil, err
	}
	return &Checker{rules: rules, exceptions: allowed}, nil
}

// Unused returns the exceptions that allowed nothing so far.
func (c *Checker) Unused() []string {
	var unused []string
	for _, e := range c.exceptions {
		if !e.used {
			unused = append(unused, e.String()+": no longer needed")
		}
	}
	return unused
}

// Check returns the hits in the files that git tracks below the paths; without paths, in all.
func (c *Checker) Check(root string, paths []string) ([]Hit, error) {
	list := exec.Command("git", append([]string{"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}, paths...)...)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var files []string
	for _, file := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		if file != "" && reads(file) {
			files = append(files, file)
		}
	}
	results := make([][]Hit, len(files))
	errs := make([]error, len(files))
	var group sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i, file := range files {
		group.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; group.Done() }()
			content, err := os.ReadFile(filepath.Join(root, file))
			if os.IsNotExist(err) {
				return // removed, and not committed yet
			}
			if err == nil {
				results[i], err = c.CheckFile(file, content)
			}
			errs[i] = err
		}()
	}
	group.Wait()
	var hits []Hit
	for i := range files {
		if errs[i] != nil {
			return nil, errs[i]
		}
		hits = append(hits, results[i]...)
	}
	return hits, nil
}

// reads reports whether the check reads a file. Vale reads Markdown; the other files are generated, data, or another project's text.
func reads(file string) bool {
	for _, folder := range []string{"hack/vale/", "hack/words/", "docs/benchmarks/raw/"} {
		if strings.HasPrefix(file, folder) {
			return false
		}
	}
	if filepath.Base(file) == "package-lock.json" {
		return false
	}
	switch filepath.Ext(file) {
	case ".md", ".mod", ".sum", ".tgz", ".png", ".lock", ".conflist":
		return false
	}
	return filepath.Base(file) != "LICENSE" && file != ".vale.ini"
}

// CheckFile returns the hits in a file's content.
func (c *Checker) CheckFile(file string, content []byte) ([]Hit, error) {
	if bytes.IndexByte(content, 0) >= 0 {
		return nil, nil
	}
	parts, err := segments(file, content)
	if err != nil {
		return nil, err
	}
	var hits []Hit
	seen := map[Hit]bool{}
	for _, part := range parts {
		for _, rule := range c.rules {
			if part.Name && rule.ProseOnly {
				continue
			}
			for _, match := range rule.Pattern.FindAllStringIndex(part.Text, -1) {
				if rule.Except != nil && rule.Except.MatchString(part.Text[match[0]:match[1]]) || c.allowed(file, part.Text, match[0], match[1]) {
					continue
				}
				hit := Hit{
					File: file, Line: part.Line + strings.Count(part.Text[:match[0]], "\n"),
					Word: strings.Join(strings.Fields(part.Text[match[0]:match[1]]), " "), Replacement: rule.Replacement,
				}
				if !seen[hit] {
					seen[hit] = true
					hits = append(hits, hit)
				}
			}
		}
	}
	sort.SliceStable(hits, func(i, j int) bool { return hits[i].Line < hits[j].Line })
	return hits, nil
}

func (c *Checker) allowed(file, text string, start, end int) bool {
	for _, e := range c.exceptions {
		if e.appliesTo(file) && e.allows(text, start, end) {
			c.mu.Lock()
			e.used = true
			c.mu.Unlock()
			return true
		}
	}
	return false
}

// Package result reads and writes the results of benchmarks: a JSON file for each figure, from which
// the page and the plots are generated.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Figure is a comparison of tools.
type Figure struct {
	Name  string `json:"name"` // as in make bench FIGURE=name
	Title string `json:"title"`
	How   string `json:"how"` // the method, with its numbers
	// Short reports whether the numbers are small. Such a figure is a test and not a measurement.
	Short   bool    `json:"short"`
	Taken   string  `json:"taken"` // the date
	Took    string  `json:"took"`
	Machine Machine `json:"machine"`
	Tools   []Tool  `json:"tools"`
	Goals   []Goal  `json:"goals"`
	Tables  []Table `json:"tables"`
	Plots   []Plot  `json:"plots,omitempty"`
}

// A Machine describes the machine of a figure.
type Machine struct {
	Cores      int    `json:"cores"`
	Processor  string `json:"processor"`
	Memory     string `json:"memory"`
	Kernel     string `json:"kernel"`
	PostgreSQL string `json:"postgresql"`
	Go         string `json:"go"`
}

func (m Machine) String() string {
	return fmt.Sprintf("%d cores of %s, %s, Linux %s, PostgreSQL %s, %s", m.Cores, m.Processor, m.Memory, m.Kernel, m.PostgreSQL, m.Go)
}

// A Tool is a compared tool.
type Tool struct{ Name, Version string }

// A Goal is a limit for a figure.
type Goal struct {
	Goal  string `json:"goal"`
	Value string `json:"value"`
	Met   bool   `json:"met"`
	Note  string `json:"note,omitempty"` // the reason if it is not met
}

// A Table is a table of the page. Its first column has the tools or the parameter.
type Table struct {
	Title  string     `json:"title,omitempty"`
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
}

// A Plot is a plot with a line for each tool.
type Plot struct {
	Name   string   `json:"name"` // of the file, without .svg
	Title  string   `json:"title"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	LogX   bool     `json:"log_x,omitempty"`
	LogY   bool     `json:"log_y,omitempty"`
	Series []Series `json:"series"`
}

// A Series is a line of a plot.
type Series struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// Save writes a figure into dir.
func Save(dir string, f Figure) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, f.Name+".json"), append(text, '\n'), 0o644)
}

// Load returns the figures of dir, in this order, without missing ones.
func Load(dir string, order []string) ([]Figure, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []Figure
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var f Figure
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if name := strings.TrimSuffix(filepath.Base(path), ".json"); f.Name != name || !slices.Contains(order, name) {
			return nil, fmt.Errorf("%s holds figure %q; there are: %s", path, f.Name, strings.Join(order, ", "))
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Figure) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
	return out, nil
}

// Names are the names of all figures, in the order of the page.
var Names = []string{"apply", "nothing-pending", "fifty", "application", "chaos", "memory", "image", "growth", "check", "cluster-nothing", "cluster-fifty"}

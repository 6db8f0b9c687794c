package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/statements"
	"github.com/shiplock/shiplock/internal/script"
)

// corpusFindings returns the rules that report a statement of a file of the corpus, whose merged
// schema is testdata/schema.sql.
func corpusFindings(t *testing.T, path string) []string {
	t.Helper()
	var files []statements.File
	for _, f := range []string{"testdata/schema.sql", path} {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		s, err := script.ParseFile(filepath.Base(f), text)
		require.NoError(t, err)
		files = append(files, statements.File{Name: f, Script: s, New: f == path})
	}
	findings, err := statements.Check(files, 18)
	require.NoError(t, err)
	rules := []string{}
	for _, f := range findings {
		rules = append(rules, f.Rule)
	}
	return rules
}

func corpus(t *testing.T, directory string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", directory, "*.sql"))
	require.NoError(t, err)
	return paths
}

// TestCorpus_Hazards_Found checks files that harm a running application. The first line of each is
// the rule that must report it.
func TestCorpus_Hazards_Found(t *testing.T) {
	t.Parallel()
	paths := corpus(t, "hazards")
	assert.GreaterOrEqual(t, len(paths), 33)
	covered := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(text), "\n")
		rule := strings.TrimPrefix(first, "-- ")
		_, known := finding.Lookup(rule)
		require.True(t, known, "%s: %q is no rule", path, rule)
		covered[rule] = true
		assert.Contains(t, corpusFindings(t, path), rule, path)
	}
	for _, id := range statementRuleIDs() {
		assert.True(t, covered[id], "no hazard for rule %s", id)
	}
}

// statementRuleIDs returns the IDs of the rules after those for files.
func statementRuleIDs() []string {
	var ids []string
	for _, r := range finding.Rules {
		ids = append(ids, r.ID)
	}
	return ids[slices.Index(ids, finding.IndexNotConcurrent):]
}

// TestCorpus_Safe_NothingFound checks files that do not harm a running application.
func TestCorpus_Safe_NothingFound(t *testing.T) {
	t.Parallel()
	paths := corpus(t, "safe")
	assert.GreaterOrEqual(t, len(paths), 17)
	for _, path := range paths {
		rules := corpusFindings(t, path)
		if filepath.Base(path) == "drop-column-declared.sql" { // its allow comment is applied by package check
			assert.Equal(t, []string{finding.DataLoss}, rules, path)
			continue
		}
		assert.Empty(t, rules, path)
	}
}

// TestRules_Examples_Reported checks the SQL that the page of each rule shows: the rule reports the
// first example, and not the second one.
func TestRules_Examples_Reported(t *testing.T) {
	t.Parallel()
	for i, id := range statementRuleIDs() {
		r, _ := finding.Lookup(id)
		require.NotEmpty(t, r.Avoid, id)
		for j, example := range []string{r.Avoid, r.Instead} {
			if example == "" {
				continue
			}
			path := filepath.Join(t.TempDir(), fmt.Sprintf("%d_%d.sql", i, j))
			first, _, _ := strings.Cut(example, "-- in the next migration")
			first, _, _ = strings.Cut(first, "-- 0008") // the files of an example are checked up to the first
			require.NoError(t, os.WriteFile(path, []byte(first+"\n"), 0o600))
			if j == 0 {
				assert.Contains(t, corpusFindings(t, path), id, first)
			} else {
				assert.NotContains(t, corpusFindings(t, path), id, first)
			}
		}
	}
}

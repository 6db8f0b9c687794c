package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const planted = "the card tells what is in effect"

func newTestChecker(t *testing.T, exceptions string) *Checker {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exceptions.yaml")
	require.NoError(t, os.WriteFile(file, []byte(exceptions), 0o644))
	checker, err := NewChecker("../vale/styles/Shiplock", file)
	require.NoError(t, err)
	return checker
}

func TestCheckFile_BannedWords_AreReported(t *testing.T) {
	checker := newTestChecker(t, "[]")
	for name, test := range map[string]struct{ file, content string }{
		"Go comment":           {"internal/x/x.go", "package x\n\n// F: " + planted + ".\nfunc F() {}\n"},
		"Go comment, wrapped":  {"internal/x/x.go", "package x\n\n// F: the card\n// tells what is in\n// effect.\nfunc F() {}\n"},
		"comment in a Go test": {"internal/x/x_test.go", "package x\n\nfunc f() {\n\t// " + planted + "\n}\n"},
		"Go string":            {"internal/x/x.go", "package x\n\nvar a = \"x:\\n" + planted + "\"\n"},
		"raw Go string":        {"internal/x/x.go", "package x\n\nvar a = `x\n" + planted + "`\n"},
		"Go function":          {"internal/x/x.go", "package x\n\nfunc cardTellsInEffect() {}\n"},
		"Go type":              {"internal/x/x.go", "package x\n\ntype CardTellsInEffect int\n"},
		"Go field":             {"internal/x/x.go", "package x\n\ntype T struct{ CardTells, InEffect int }\n"},
		"Go variable":          {"internal/x/x.go", "package x\n\nfunc f() { cardTells, inEffect := 1, 2 }\n"},
		"Go test's name":       {"internal/x/x_test.go", "package x\n\nfunc TestCard_Tells_InEffect() {}\n"},
		"file name":            {"internal/x/card_tells_in_effect.go", "package x\n"},
		"golden report":        {"internal/cli/testdata/x.golden", "shiplock: the card\n  tells what is in\n  effect\n"},
		"chart template":       {"chart/templates/_x.tpl", "{{/* " + planted + " */}}\n"},
		"chart notes":          {"chart/templates/NOTES.txt", planted + "\n"},
		"YAML comment":         {"chart/values.yaml", "# -- The card tells what is\n# in effect.\na: 1\n"},
		"YAML key":             {"chart/ci/x-values.yaml", "cardTellsInEffect: 1\n"},
		"picture":              {"docs/x.svg", "<svg>\n<text>" + planted + "</text>\n</svg>\n"},
		"shell script":         {"hack/x.sh", "#!/bin/sh\n# " + planted + "\n"},
		"shell output":         {"hack/x.sh", "#!/bin/sh\necho '" + planted + "'\n"},
		"scenario":             {"internal/test/e2e/testdata/script/x.txtar", "# " + planted + "\nhelm install\n"},
		"scenario's name":      {"internal/test/e2e/testdata/script/card-tells-in-effect.txtar", "helm install\n"},
		"Makefile":             {"Makefile", "x: ## " + planted + "\n"},
		"SQL":                  {"migrations/1_x.up.sql", "-- " + planted + "\n"},
		"JSON key":             {"chart/values.schema.json", "{\"card_tells_in_effect\": 1}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.True(t, reads(test.file))
			hits, err := checker.CheckFile(test.file, []byte(test.content))
			require.NoError(t, err)
			var words []string
			for _, hit := range hits {
				words = append(words, strings.ToLower(hit.Word))
			}
			assert.ElementsMatch(t, []string{"card", "tells", "in effect"}, words)
		})
	}
}

func TestCheckFile_OtherWords_AreNotReported(t *testing.T) {
	checker := newTestChecker(t, "[]")
	hits, err := checker.CheckFile("x.go", []byte(`package x

// Discard takes effect in a gateway, on a wildcard or a billboard; journald and users who investigate it continue.
func Discard() { t.Says("mark", 'x', EN_US) }
`))
	require.NoError(t, err)
	assert.Empty(t, hits)
}

func TestHit_String(t *testing.T) {
	checker := newTestChecker(t, "[]")
	hits, err := checker.CheckFile("a.sh", []byte("#!/bin/sh\n\n# The journal\n"))
	require.NoError(t, err)
	require.Len(t, hits, 1)
	assert.Equal(t, `a.sh:3: "journal": use "history table"`, hits[0].String())
}

func TestException_AllowsOnlyWhatItNames(t *testing.T) {
	checker := newTestChecker(t, `
- files: [hack/sample/**]
  words: [room]
  reason: The sample application books rooms.
- in: journal articles?
  reason: A publication.
- words: [card]
  reason: Never used.
`)
	for content, expected := range map[string]int{"# a room": 0, "# a gate": 1, "# a feature\n# gate": 0, "# a journal": 1, "# a journal\n# article": 0} {
		hits, err := checker.CheckFile("hack/sample/app/x.sh", []byte(content))
		require.NoError(t, err)
		assert.Len(t, hits, expected, content)
	}
	hits, err := checker.CheckFile("hack/x.sh", []byte("# a room"))
	require.NoError(t, err)
	assert.Len(t, hits, 1)
	assert.Equal(t, []string{`hack/words/exceptions.yaml: "card" in []: no longer needed`}, checker.Unused())
}

func TestReadExceptions_WithoutReason_IsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "exceptions.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- words: [card]\n"), 0o644))
	_, err := readExceptions(file)
	assert.ErrorContains(t, err, "the reason is missing")
}

func TestSplitName(t *testing.T) {
	for name, expected := range map[string]string{
		"undoneBy": "undone By", "undone_by": "undone by", "TestApply_HTTPCard": "Test Apply HTTP Card", "x2Gate": "x2 Gate", "quit-url.golden": "quit url golden",
	} {
		assert.Equal(t, expected, splitName(name))
	}
}

// TestVale_BannedWords_AreReported plants the sentence in each kind of document that make lint gives to Vale.
func TestVale_BannedWords_AreReported(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Vale")
	}
	out, err := exec.Command("../tools/install.sh", "vale").Output()
	require.NoError(t, err)
	vale := strings.TrimSpace(string(out))
	config, err := filepath.Abs("../../.vale.ini")
	require.NoError(t, err)
	dir := t.TempDir()
	for file, content := range map[string]string{
		"README.md":                                 "# Title\n\nHere the card tells what is\nin effect.\n",
		"CHANGELOG.md":                              "## 0.1.0\n\n- " + planted + "\n",
		"docs/guides/rollback.md":                   "| a | b |\n|---|---|\n| x | " + planted + " |\n",
		"docs/reference/command-line.md":            "- The card tells what is in effect.\n",
		"chart/README.md":                           "## The card tells what is in effect\n",
		"chart/values.yaml":                         "# -- The card tells what is in effect.\nenabled: true\n",
		"internal/cli/testdata/x.golden":            "shiplock: " + planted + "\n",
		"internal/test/e2e/testdata/script/x.txtar": "# " + planted + "\nhelm install\n",
	} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join(dir, file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			cmd := exec.Command(vale, "--config="+config, "--output=line", file)
			cmd.Dir = dir
			found, err := cmd.CombinedOutput()
			require.Error(t, err, "Vale exits with 1")
			for _, word := range []string{"card", "tells", "in"} {
				assert.Regexp(t, `instead of "`+word, string(found))
			}
		})
	}
}

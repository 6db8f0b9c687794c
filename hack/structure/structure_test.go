package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// Each file of testdata has the files of a module, the order of its packages in "order", and in "violations" what the checks print for it.
func TestCheck_Module_ReportsViolations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			module := load(t, archive)

			var got strings.Builder
			for _, violation := range Check(module, testRules(archive)) {
				got.WriteString(violation.String() + "\n")
			}

			if fixture.Updating() {
				setFile(archive, "violations", got.String())
				require.NoError(t, os.WriteFile(file, txtar.Format(archive), 0o644))
			}
			assert.Equal(t, fileText(archive, "violations"), got.String())
		})
	}
}

func TestGraph_ImpliedImport_IsLeftOut(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/graph/packages.txtar")
	require.NoError(t, err)
	module := load(t, archive)
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte(fileText(archive, "page.md")), 0o644))

	stale, err := StaleGraph(page, module, testRules(archive))
	require.NoError(t, err)
	assert.Len(t, stale, 1)

	require.NoError(t, WriteGraph(page, module, testRules(archive)))
	written, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, fileText(archive, "written.md"), string(written))

	stale, err = StaleGraph(page, module, testRules(archive))
	require.NoError(t, err)
	assert.Empty(t, stale)
}

func TestGraph_PageWithoutMarks_IsAnError(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(page, []byte("# Design\n"), 0o644))

	_, err := StaleGraph(page, &Module{}, Rules{})

	assert.ErrorContains(t, err, "has no marks")
}

func TestOrder_OneUseAgainstThree_TurnsTheOne(t *testing.T) {
	uses := map[[2]string]int{{"a", "b"}: 1, {"b", "c"}: 3, {"c", "a"}: 2}

	got := order([]string{"a", "b", "c"}, func(from, to string) int { return uses[[2]string{from, to}] })

	assert.Equal(t, []string{"a", "c", "b"}, got)
}

// testRules returns rules with the order and the allowed circles in the archive's files "order" and "circles".
func testRules(archive *txtar.Archive) Rules {
	circles := map[string]string{}
	for _, path := range strings.Fields(fileText(archive, "circles")) {
		circles[path] = "a test"
	}
	return Rules{
		Order:     strings.Fields(fileText(archive, "order")),
		Support:   []string{"support"},
		Only:      map[string][]string{"encoding/json": {"middle"}},
		Banned:    map[string]string{"net/textproto": "a protocol of text"},
		MaxLines:  40,
		Larger:    map[string]Larger{"middle": {Lines: 50, Reason: "a test"}},
		Sentences: 2,
		Circles:   circles,
	}
}

func load(t *testing.T, archive *txtar.Archive) *Module {
	t.Helper()
	folder := t.TempDir()
	for _, file := range archive.Files {
		path := filepath.Join(folder, file.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, file.Data, 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module example.com/module\n\ngo 1.26\n"), 0o644))
	module, err := Load(folder)
	require.NoError(t, err)
	return module
}

func fileText(archive *txtar.Archive, name string) string {
	for _, file := range archive.Files {
		if file.Name == name {
			return string(file.Data)
		}
	}
	return ""
}

func setFile(archive *txtar.Archive, name, text string) {
	for i, file := range archive.Files {
		if file.Name == name {
			archive.Files[i].Data = []byte(text)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

func TestCheckLines_HalfOfTheProduct_IsTooMuch(t *testing.T) {
	module := &Module{Packages: []*Package{
		{Path: "large", Files: []File{{Name: "large/a.go", Lines: 40}, {Name: "large/b.go", Lines: 10}}},
		{Path: "small", Files: []File{{Name: "small/a.go", Lines: 49}}},
		{Path: "support", Files: []File{{Name: "support/a.go", Lines: 1000}}},
	}}

	got := checkLines(module, Rules{Support: []string{"support"}, MaxLines: 50, LargestShare: 2})

	require.Len(t, got, 1)
	assert.Equal(t, "large: the package has 50 of the product's 99 lines, not less than 1/2. Split it by subject.", got[0].String())
}

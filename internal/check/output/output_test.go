package output_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/output"
	"github.com/shiplock/shiplock/internal/test/fixture"
)

// result has a finding of each form, and text that a format must escape.
var result = check.Result{
	Base: &check.Base{Ref: "origin/main", Commit: "0123456789abcdef0123456789abcdef01234567", Version: 6}, Directory: "db/migrations", Files: 16, NewFiles: 2, PostgresVersion: 18,
	Findings: []finding.Finding{
		{Rule: finding.DuplicateVersion, Severity: finding.Error, File: "7_a b.up.sql", Line: 1, Message: "version 7 is taken by 7_<b>|`x`.up.sql", Statement: finding.WholeFile},
		{
			Rule: finding.MissingDown, Severity: finding.Warning, File: "8_c.up.sql", Line: 12, Message: "it locks\x1b[31m a table", Statement: 1,
			Lock:    &finding.Lock{Table: "orders", Mode: "ACCESS EXCLUSIVE", Blocks: "reads and writes", HeldSinceLine: 3},
			Instead: "SELECT '```';\nSELECT 2;",
		},
	},
}

func TestWrite_Formats_MatchGolden(t *testing.T) {
	t.Parallel()
	for _, format := range output.Formats {
		var out bytes.Buffer
		require.NoError(t, output.Write(&out, format, result, output.Options{Source: "migrations", Version: "1.2.3"}))
		if format.IsJSON() {
			assert.True(t, json.Valid(out.Bytes()), format)
		} else {
			assert.NotContains(t, out.String(), "\x1b", "a terminal must not execute text of a file")
		}
		fixture.Golden(t, string(format)+".golden", out.String())
	}
}

func TestWrite_NoFindings_EmptyLists(t *testing.T) {
	t.Parallel()
	for format, want := range map[output.Format]string{output.GitLab: "[]\n", output.SARIF: `"results": []`, output.JSON: `"findings": []`} {
		var out bytes.Buffer
		require.NoError(t, output.Write(&out, format, check.Result{Findings: []finding.Finding{}}, output.Options{}))
		assert.Contains(t, out.String(), want)
	}
}

func TestWrite_ManyFindings_MarkdownLimited(t *testing.T) {
	t.Parallel()
	r := check.Result{}
	for range 2000 {
		r.Findings = append(r.Findings, finding.Finding{Rule: finding.MissingDown, File: "1_a.up.sql", Line: 1, Message: strings.Repeat("x", 50)})
	}
	var out bytes.Buffer
	require.NoError(t, output.Write(&out, output.Markdown, r, output.Options{}))
	assert.Less(t, out.Len(), 65_536)
	assert.Regexp(t, `\nand \d+ more\n`, out.String())
}

func TestDestination_File_Written(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	d, err := output.ParseDestination("gitlab=" + path)
	require.NoError(t, err)
	var stdout bytes.Buffer
	require.NoError(t, d.Write(&stdout, result, output.Options{}, strings.ToUpper))
	assert.Empty(t, stdout.String())
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(written), "DUPLICATE-VERSION")
	for _, invalid := range []string{"xml", "", "text=", "=file"} {
		_, err := output.ParseDestination(invalid)
		assert.ErrorContains(t, err, "want text, json, sarif, gitlab or markdown", invalid)
	}
}

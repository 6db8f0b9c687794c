package output_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/check"
	"github.com/shiplock/shiplock/internal/check/finding"
	"github.com/shiplock/shiplock/internal/check/output"
	"github.com/shiplock/shiplock/internal/test/program"
)

// sarifSchema returns the JSON schema of SARIF 2.1.0, errata 01. It is a constant in the source of
// go-sarif, which is not exported.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif")
	cmd.Dir = filepath.Join(program.Root, "hack", "sarif")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	dir, err := cmd.Output()
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	require.NoError(t, err)
	text := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "schema" {
			text, err = strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
		}
		return true
	})
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("sarif.json", document))
	schema, err := c.Compile("sarif.json")
	require.NoError(t, err)
	return schema
}

func TestWrite_SARIF_ValidBySchema(t *testing.T) {
	t.Parallel()
	schema := sarifSchema(t)
	for name, r := range map[string]check.Result{"findings": result, "no findings": {Findings: []finding.Finding{}}} {
		var out bytes.Buffer
		require.NoError(t, output.Write(&out, output.SARIF, r, output.Options{Version: "1.2.3"}))
		log, err := jsonschema.UnmarshalJSON(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(log), name)
	}
	var out bytes.Buffer
	require.NoError(t, output.Write(&out, output.SARIF, result, output.Options{}))
	invalid, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(out.String(), `"ruleId"`, `"ruleName"`, 1)))
	require.NoError(t, err)
	assert.ErrorContains(t, schema.Validate(invalid), "additional properties 'ruleName' not allowed")
}

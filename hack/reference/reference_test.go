package main

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/hack/schema"
	"github.com/shiplock/shiplock/internal/cli/flags"
)

func TestCommandLine_Flags_HaveVariableAndDefault(t *testing.T) {
	root := &cobra.Command{Use: "tool", Long: "Tool runs.\n\nFormats:\n  a|b"}
	up := &cobra.Command{Use: "up", Short: "Apply migrations", Example: "  tool up", Run: func(*cobra.Command, []string) {}}
	up.Flags().Duration("wait", 0, "maximum time to wait ($SHIPLOCK_WAIT)")
	flags.SetVariables(up.Flags().Lookup("wait"), "SHIPLOCK_WAIT", "WAIT")
	up.Flags().String("mode", "a|b", "`MODE` of it")
	up.Flags().Bool("hidden", false, "")
	require.NoError(t, up.Flags().MarkHidden("hidden"))
	root.AddCommand(up)
	page := CommandLine(root, "\nExit codes:\n  0    done\n  128+n  stopped by signal n\n")
	for _, expected := range []string{
		"# Command line\n", "Tool runs.\n\nFormats:\n\n```text\na|b\n```\n",
		"| [`tool up`](#tool-up) | Apply migrations |\n",
		"## tool up\n\n```text\ntool up [flags]\n```\n\nApply migrations.\n\nExamples:\n\n```sh\ntool up\n```\n",
		"| `--mode MODE` |  | `a\\|b` | MODE of it. |\n",
		"| `--wait duration` | `SHIPLOCK_WAIT`, `WAIT` | `0s` | Maximum time to wait. |\n",
		"| `0` | done |\n| `128+n` | stopped by signal n |\n",
	} {
		assert.Contains(t, page, expected)
	}
	assert.NotContains(t, page, "hidden")
}

func TestChartValues_Maps_HaveSections(t *testing.T) {
	values, err := schema.Values([]byte(`# -- Runs the migrations, ` + "`a|b`" + `.
enabled: true

# The image.
image:
  # -- Its tag.
  tag: ""
  # -- Its rules.
  rules: {a: <b>}
undocumented: 1
`))
	require.NoError(t, err)
	page := ChartValues(values)
	assert.Contains(t, page, "## Top level\n\n| Value | Default | Description |\n|---|---|---|\n| `enabled` | `true` | Runs the migrations, `a\\|b`. |\n")
	assert.Contains(t, page, "## `image`\n\nThe image.\n\n| Value | Default | Description |\n|---|---|---|\n| `image.tag` | `\"\"` | Its tag. |\n| `image.rules` | `{\"a\":\"<b>\"}` | Its rules. |\n")
	assert.NotContains(t, page, "undocumented")
}

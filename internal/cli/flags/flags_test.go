package flags_test

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/cli/flags"
)

type mode string

func TestApplyEnvironment_Precedence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want mode
	}{
		"default":                  {nil, nil, "file"},
		"variable over default":    {nil, map[string]string{"SHIPLOCK_TX_MODE": "all"}, "all"},
		"flag over variable":       {[]string{"--tx-mode", "file"}, map[string]string{"SHIPLOCK_TX_MODE": "all"}, "file"},
		"empty variable":           {nil, map[string]string{"SHIPLOCK_TX_MODE": ""}, "file"},
		"variable of another flag": {nil, map[string]string{"SHIPLOCK_MODE": "all"}, "file"},
	} {
		got, other := mode("file"), ""
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		flags.WithEnv(fs).Var(flags.Choice(&got, "file", "all"), "tx-mode", "transaction scope")
		fs.StringVar(&other, "mode", "", "a flag without a variable")
		require.NoError(t, fs.Parse(c.args), name)
		require.NoError(t, flags.ApplyEnvironment(fs, func(name string) string { return c.env[name] }), name)
		assert.Equal(t, c.want, got, name)
		assert.Empty(t, other, name)
	}
}

func TestApplyEnvironment_InvalidValues_AllReported(t *testing.T) {
	t.Parallel()
	got, limit := mode("file"), time.Second
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.WithEnv(fs).Var(flags.Choice(&got, "file", "all"), "tx-mode", "transaction scope")
	flags.WithEnv(fs).Var(flags.Duration(&limit, "10s"), "timeout", "limit")
	err := flags.ApplyEnvironment(fs, func(string) string { return "soon" })
	require.ErrorContains(t, err, `--tx-mode is "soon"; want file or all`)
	require.ErrorContains(t, err, `SHIPLOCK_TIMEOUT is "soon"; want a duration with a unit`)
	assert.Equal(t, mode("file"), got)
	assert.Equal(t, time.Second, limit)
}

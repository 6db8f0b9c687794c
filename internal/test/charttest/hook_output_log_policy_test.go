package charttest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/program"
)

const outputLogPolicy = "helm.sh/hook-output-log-policy"

// The Jobs of Helm hooks have the annotation, and no other object does.
func TestHookOutputLogPolicy_Modes_AnnotatesJobsOnly(t *testing.T) {
	t.Parallel()
	const down = "rollback: {policy: down}\n"
	for values, want := range map[string]map[string]string{
		"":                                   {"booking-shiplock": "hook-failed"},
		"hookOutputLogPolicy: auto\n":        {"booking-shiplock": "hook-failed"},
		"hookOutputLogPolicy: none\n":        {"booking-shiplock": ""},
		down:                                 {"booking-shiplock": "hook-failed", "booking-shiplock-rollback": "hook-failed", "booking-shiplock-down": "hook-failed"},
		down + "hookOutputLogPolicy: none\n": {"booking-shiplock": "", "booking-shiplock-rollback": "", "booking-shiplock-down": ""},
		down + "hookOutputLogPolicy: hook-succeeded,hook-failed\n":           {"booking-shiplock": "hook-succeeded,hook-failed", "booking-shiplock-rollback": "hook-succeeded,hook-failed", "booking-shiplock-down": "hook-succeeded,hook-failed"},
		down + "mode: job\nfullnameOverride: s\nhookOutputLogPolicy: none\n": {"s-down": ""},
		"mode: argocd\nhookOutputLogPolicy: hook-failed\n":                   {"booking-shiplock": ""},
	} {
		r := render(t, withURL+values)
		objects, err := r.Objects()
		require.NoError(t, err)
		for _, o := range objects {
			if j, ok := o.(*batchv1.Job); ok && j.Annotations["helm.sh/hook"]+j.Annotations["argocd.argoproj.io/hook"] != "" {
				policy, named := want[j.Name]
				assert.True(t, named, "%s: %s", values, j.Name)
				assert.Equal(t, policy, j.Annotations[outputLogPolicy], "%s: %s", values, j.Name)
				delete(want, j.Name)
			}
		}
		assert.Empty(t, want, values)
	}
	for _, policy := range []string{"hook-failed", "hook-succeeded"} {
		notes := render(t, withURL+"hookOutputLogPolicy: "+policy).Info.Notes
		assert.Equal(t, policy == "hook-failed", strings.Contains(notes, "Helm prints the cause"), policy)
	}
}

// embedded runs a program that embeds Helm 4's library like Flux's helm-controller. Without a cluster, each hook that Helm waits for fails.
func embedded(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	cmd := exec.Command(program.HackTool(t, "helm4-library"), append([]string{"--failing-hooks"}, args...)...)
	cmd.Env = append(cmd.Environ(), "HELM_NAMESPACE=shop")
	var out strings.Builder
	cmd.Stderr = &out
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), out.String()
	}
	require.NoError(t, err)
	return 0, out.String()
}

// Flux's helm-controller crashes if a hook with an output log policy fails. Without the annotation, only the release fails.
func TestHookOutputLogPolicy_EmbeddedHelm_ReturnsError(t *testing.T) {
	t.Parallel()
	values := fixture.FileMap(t, map[string]string{"values.yaml": withURL}) + "/values.yaml"
	for _, set := range []string{"", "hookOutputLogPolicy=auto", "hookOutputLogPolicy=none", "rollback.policy=down", "hookOutputLogPolicy=hook-succeeded"} {
		code, stderr := embedded(t, "-f", values, "--set", set, "install", "booking", chartDir)
		assert.Equal(t, 1, code, "%s\n%s", set, stderr)
		assert.Contains(t, stderr, "Error: failed pre-install: the Job failed", set)
	}
	for _, set := range []string{"hookOutputLogPolicy=hook-failed", `hookOutputLogPolicy=hook-succeeded\,hook-failed`} {
		code, stderr := embedded(t, "-f", values, "--set", set, "install", "booking", chartDir)
		assert.Equal(t, 2, code, "%s: the crash that the default avoids\n%s", set, stderr)
		assert.Contains(t, stderr, "nil pointer dereference", set)
	}
}

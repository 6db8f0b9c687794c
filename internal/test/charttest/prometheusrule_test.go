package charttest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// rules returns the spec of the rendered PrometheusRule, which the operator passes to Prometheus as a rule file.
func rules(t *testing.T, values string) string {
	t.Helper()
	r := render(t, mergeYAML(t, withURL+"prometheusRule: {enabled: true}", values))
	assertValidObjects(t, r)
	for _, h := range r.Hooks {
		assert.NotEqual(t, "PrometheusRule", h.Kind, "it is deleted with the release")
	}
	rule, err := Find[*unstructured.Unstructured](r, "booking-shiplock-alerts")
	require.NoError(t, err)
	spec, err := yaml.Marshal(rule.Object["spec"])
	require.NoError(t, err)
	return string(spec)
}

// promtool evaluates the rules on test series, and returns the differences from the expected alerts.
func promtool(t *testing.T, rules, test string) (string, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short does not require promtool: hack/setup.sh tools")
	}
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "hack/setup.sh tools installs it")
	dir := fixture.FileMap(t, map[string]string{"rules.yaml": rules, "test.yaml": "rule_files: [rules.yaml]\nevaluation_interval: 1m\ntests:\n" + test})
	out, err := exec.CommandContext(t.Context(), path, "check", "rules", filepath.Join(dir, "rules.yaml")).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.CommandContext(t.Context(), path, "test", "rules", filepath.Join(dir, "test.yaml")).CombinedOutput()
	return string(out), err
}

// alertTest returns a test for promtool: with this series, an alert fires after 20 minutes if labels are given, and otherwise not.
func alertTest(series, value, alert string, labels ...string) string {
	expected := "[]"
	if len(labels) > 0 {
		expected = "[{exp_labels: {" + strings.Join(labels, ", ") + "}}]"
	}
	return fmt.Sprintf("  - interval: 1m\n    input_series: [{series: '%s', values: '%s'}]\n    alert_rule_test: [{eval_time: 20m, alertname: %s, exp_alerts: %s}]\n",
		series, value, alert, expected)
}

// Only a failed Job of the release fires an alert; a failed attempt of a Job that succeeds does not.
func TestPrometheusRule_FailedJob_Fires(t *testing.T) {
	t.Parallel()
	failed := func(job, namespace, condition string) string {
		return fmt.Sprintf(`kube_job_failed{job_name="%s", namespace="%s", condition="%s"}`, job, namespace, condition)
	}
	for values, jobs := range map[string]map[string]bool{
		"":                                {"booking-shiplock": true, "booking-shiplock-0123abcd": false, "booking-shiplock2": false},
		"rollback: {policy: down}":        {"booking-shiplock": true, "booking-shiplock-down": true, "booking-shiplock-rollback": true, "booking-shiplock-rollback2": false, "booking-shiplock-web": false},
		"mode: argocd":                    {"booking-shiplock": true},
		"mode: job":                       {"booking-shiplock-0123abcd": true, "booking-shiplock": false, "booking-shiplock-0123abcde": false},
		"database: {partOfRelease: true}": {"booking-shiplock": true, "booking-shiplock-0123abcd": true, "booking-shiplock-web": false},
	} {
		text := rules(t, values)
		test := alertTest(failed("booking-shiplock", "elsewhere", "true"), "1x30", "ShiplockMigrationFailed") +
			alertTest(failed("booking-shiplock", "shop", "false"), "1x30", "ShiplockMigrationFailed") +
			alertTest(failed("booking-shiplock", "shop", "true"), "0x30", "ShiplockMigrationFailed")
		for job, fires := range jobs {
			var labels []string
			if fires {
				labels = []string{"job_name: " + job, "namespace: shop", `condition: "true"`, "severity: critical"}
			}
			test += alertTest(failed(job, "shop", "true"), "1x30", "ShiplockMigrationFailed", labels...)
		}
		// TestPrometheusRule_FailedJob_Annotations checks the annotations.
		out, err := promtool(t, withoutAnnotations(t, text), test)
		assert.NoError(t, err, "%s\n%s", values, out)
	}
}

// With pushed metrics, a failed run fires an alert unless another attempt follows soon.
func TestPrometheusRule_LastRunFailed_Fires(t *testing.T) {
	t.Parallel()
	assert.NotContains(t, rules(t, ""), "shiplock_last_run", "no metrics are pushed")
	text := rules(t, "notify: {pushgateway: {existingSecret: {name: g}}}\nprometheusRule: {severity: warning, alertLabels: {team: booking}}")
	series := func(release string) string {
		return fmt.Sprintf(`shiplock_last_run_exit_code{namespace="shop", release="%s", database="db:5432/booking"}`, release)
	}
	const alert = "ShiplockLastRunFailed"
	labels := []string{"namespace: shop", "release: booking", `database: "db:5432/booking"`, "severity: warning", "team: booking"}
	out, err := promtool(t, withoutAnnotations(t, text), alertTest(series("booking"), "6x30", alert, labels...)+
		alertTest(series("booking"), "3x10 0x20", alert)+alertTest(series("booking"), "0x16 3x20", alert)+alertTest(series("other"), "6x30", alert))
	assert.NoError(t, err, out)
	out, err = promtool(t, withoutAnnotations(t, text), alertTest(series("booking"), "6x30", alert))
	assert.Error(t, err, "promtool must report the unexpected alert: %s", out)
}

// The annotations contain the command to run, with Prometheus' templates rendered.
func TestPrometheusRule_FailedJob_Annotations(t *testing.T) {
	t.Parallel()
	test := `  - interval: 1m
    input_series: [{series: 'kube_job_failed{job_name="booking-shiplock", namespace="shop", condition="true"}', values: 1x5}]
    alert_rule_test:
      - eval_time: 5m
        alertname: ShiplockMigrationFailed
        exp_alerts:
          - exp_labels: {job_name: booking-shiplock, namespace: shop, condition: "true", severity: critical}
            exp_annotations:
              summary: The migrations of release booking failed. The release stopped, and the running version keeps serving.
              description: "For the cause and the solution, run: kubectl -n shop logs job/booking-shiplock"
              runbook_url: https://runbooks.example.com/schema
`
	out, err := promtool(t, rules(t, "prometheusRule: {alertAnnotations: {runbook_url: 'https://runbooks.example.com/schema'}}"), test)
	assert.NoError(t, err, out)
}

func withoutAnnotations(t *testing.T, rules string) string {
	t.Helper()
	spec := parse(t, rules)
	for _, group := range spec["groups"].([]any) {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			delete(rule.(map[string]any), "annotations")
		}
	}
	return toYAML(t, spec)
}

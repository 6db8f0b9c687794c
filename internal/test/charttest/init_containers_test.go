package charttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/shiplock/shiplock/internal/test/fixture"
)

// app creates a chart whose pods include the init containers of its dependencies, with the arguments.
func app(t *testing.T, helper, arguments string) string {
	t.Helper()
	return fixture.FileMap(t, map[string]string{
		"Chart.yaml":                withRepository(t, aliases),
		"migrations/0008_a.up.sql":  "",
		"migrations/0010_b.up.sql":  "",
		"migrations/0011_c.sql":     "",
		"templates/deployment.yaml": strings.NewReplacer("HELPER", helper, "ARGUMENTS", arguments).Replace(deployment),
	})
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      initContainers:
        {{- include "shiplock.HELPER" (dict "context" . ARGUMENTS) | nindent 8 }}
        {{- include "shiplock.HELPER" (dict "context" . "alias" "orders" ARGUMENTS) | nindent 8 }}
      volumes:
        {{- include "shiplock.podVolumes" (dict "context" . ARGUMENTS) | nindent 8 }}
        {{- include "shiplock.podVolumes" (dict "context" . "alias" "orders" ARGUMENTS) | nindent 8 }}
      containers:
        - {name: app, image: app}
`

// renderPods renders app with the same values for both dependencies.
func renderPods(t *testing.T, helper, arguments, values string) (corev1.PodSpec, error) {
	t.Helper()
	all := map[string]any{"shiplock": parse(t, values), "orders": parse(t, values), "stockKeeping": map[string]any{"enabled": false}}
	r, err := Render(app(t, helper, arguments), Options{Values: all})
	if err != nil {
		return corev1.PodSpec{}, err
	}
	d, err := Find[*appsv1.Deployment](r, "app")
	require.NoError(t, err)
	return d.Spec.Template.Spec, nil
}

const withExistingSecret = `
image: {tag: v2}
database: {existingSecret: {name: db, keys: {url: URL}}, ca: {configMapName: ca}, sslMode: verify-full}
`

func TestWaitForMigrations_Values_RenderContainer(t *testing.T) {
	t.Parallel()
	const more = "onNewer: fail\nmigrationsTable: t$x\ntimeout: 1m\nwait: {resources: {requests: {cpu: 1m}}}\nextraEnvFrom: [{secretRef: {name: s}}]\n" +
		"migrations: {image: {repository: m, tag: v2, subPath: sql}}\nextraVolumes: [{name: mine, emptyDir: {}}]\nextraVolumeMounts: [{name: mine, mountPath: /mine}]"
	pod, err := renderPods(t, "waitForMigrations", "", mergeYAML(t, withExistingSecret, more))
	require.NoError(t, err)
	require.Len(t, pod.InitContainers, 2)
	waitContainer := pod.InitContainers[0]
	assert.Equal(t, "shiplock/migrator:v2", waitContainer.Image)
	assert.Equal(t, []string{"wait"}, waitContainer.Args)
	assert.Equal(t, "1m", waitContainer.Resources.Requests.Cpu().String())
	assert.Len(t, waitContainer.EnvFrom, 1)
	env := map[string]string{}
	for _, v := range waitContainer.Env {
		env[v.Name] = v.Value
	}
	assert.Equal(t, map[string]string{"DATABASE_URL": "", "SHIPLOCK_REQUIRED_ENV": "DATABASE_URL=db/URL", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/shiplock/ca/ca.crt",
		"SHIPLOCK_SOURCE": "/migrations", "SHIPLOCK_TABLE": "t$$x", "SHIPLOCK_MODE": "wait", "SHIPLOCK_TERMINATION_LOG": "/dev/termination-log"}, env, "no timeout, and a newer database is accepted")
	var mounts, volumes []string
	for _, m := range waitContainer.VolumeMounts {
		mounts = append(mounts, m.Name+" "+m.MountPath)
	}
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	assert.Equal(t, []string{"shiplock-migrations /migrations", "shiplock-ca /etc/shiplock/ca", "mine /mine"}, mounts)
	assert.Equal(t, []string{"shiplock-migrations", "shiplock-ca", "mine", "orders-migrations", "orders-ca", "mine"}, volumes)
	assert.Equal(t, []string{"shiplock-wait-for-migrations", "orders-wait-for-migrations"}, []string{waitContainer.Name, pod.InitContainers[1].Name})
}

// The pod's security context belongs to the parent, so the init containers contain all settings.
func TestInitContainers_Defaults_MeetRestricted(t *testing.T) {
	t.Parallel()
	for helper, values := range map[string]string{"waitForMigrations": withExistingSecret, "initContainer": withExistingSecret + "mode: initContainer"} {
		pod, err := renderPods(t, helper, "", values)
		require.NoError(t, err)
		for _, c := range pod.InitContainers {
			s := c.SecurityContext
			assertRestricted(t, helper, corev1.PodSpec{
				SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: s.RunAsNonRoot, RunAsUser: s.RunAsUser, SeccompProfile: s.SeccompProfile},
				Containers:      []corev1.Container{c},
			})
		}
	}
}

// "env" replaces the connection settings, for example with those of a read-only role.
func TestWaitForMigrations_Env_ReplacesConnection(t *testing.T) {
	t.Parallel()
	const arguments = `"env" (list (dict "name" "PGHOST" "value" "replica") (dict "name" "PGSSLMODE" "value" "disable"))`
	pod, err := renderPods(t, "waitForMigrations", arguments, "image: "+ownImage+"\ndatabase: {host: db, dbname: booking, username: owner, passwordCommand: [token], role: owner, sslMode: require}\nextraEnv: [{name: A, value: b}]")
	require.NoError(t, err)
	var env []string
	for _, v := range pod.InitContainers[0].Env {
		assert.Nil(t, v.ValueFrom)
		env = append(env, v.Name+"="+v.Value)
	}
	assert.Equal(t, []string{"SHIPLOCK_MODE=wait", "SHIPLOCK_TERMINATION_LOG=/dev/termination-log", "SHIPLOCK_SOURCE=/migrations", "PGHOST=replica", "PGSSLMODE=disable"}, env)
}

func TestWaitForMigrations_VersionOrGlob_SetsVersion(t *testing.T) {
	t.Parallel()
	for arguments, values := range map[string]string{
		`"version" 10`:              withExistingSecret,
		`"version" "10"`:            withExistingSecret,
		`"glob" "migrations/*"`:     withExistingSecret + "migrations: {fromChart: true}",
		`"glob" "migrations/*.sql"`: withExistingSecret + "migrations: {fromChart: true}\nmode: job",
	} {
		pod, err := renderPods(t, "waitForMigrations", arguments, values)
		require.NoError(t, err)
		assert.Equal(t, []string{"wait", "--version=10"}, pod.InitContainers[0].Args)
		for _, v := range pod.Volumes {
			assert.NotContains(t, v.Name, "migrations")
		}
	}
}

func TestInitContainer_Values_RenderContainer(t *testing.T) {
	t.Parallel()
	const values = withExistingSecret + "mode: initContainer\ntimeout: 3m\nextraArgs: [-v]\nresources: {requests: {cpu: 7m}}\nextraEnv: [{name: A, value: b}]"
	pod, err := renderPods(t, "initContainer", "", values)
	require.NoError(t, err)
	c := pod.InitContainers[0]
	assert.Equal(t, "shiplock-migrator", c.Name)
	assert.Equal(t, []string{"up", "-v"}, c.Args)
	assert.Equal(t, "7m", c.Resources.Requests.Cpu().String())
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	assert.Equal(t, "180s", env["SHIPLOCK_LOCK_WAIT"], "the timeout of the pod that migrates")
	assert.Equal(t, "180s", env["SHIPLOCK_TIMEOUT"])
	assert.Equal(t, "b", env["A"])

	r, err := Render(app(t, "initContainer", ""), Options{Values: map[string]any{
		"shiplock": parse(t, withURL+"mode: initContainer"), "orders": map[string]any{"enabled": false}, "stockKeeping": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	objects, err := r.Objects()
	require.NoError(t, err)
	assert.Len(t, objects, 3, "the Deployment, the Secret of its pods, and the test; no Job")
	require.Len(t, r.Hooks, 1)
	secret, err := Find[*corev1.Secret](r, "")
	require.NoError(t, err)
	d, err := Find[*appsv1.Deployment](r, "")
	require.NoError(t, err)
	require.Len(t, d.Spec.Template.Spec.InitContainers, 1, "none of a disabled dependency")
	assert.Equal(t, secret.Name, d.Spec.Template.Spec.InitContainers[0].Env[0].ValueFrom.SecretKeyRef.Name)
}

func TestInitContainers_Invalid_AreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ helper, arguments, values, want string }{
		"Secret of a hook":      {"waitForMigrations", "", withURL, `pass "env" (variables with the database connection), or set shiplock.database.existingSecret`},
		"no context":            {"waitForMigrations", `"context" .Values.shiplock`, withExistingSecret, `shiplock.waitForMigrations: "context" is not the context of a chart: include the template with (dict "context" $)`},
		"text as context":       {"initContainer", `"context" "shop"`, withExistingSecret, `shiplock.initContainer: "context" is not the context of a chart`},
		"not a dependency":      {"waitForMigrations", `"alias" "global"`, withExistingSecret, `shiplock.waitForMigrations: chart "shop" has no dependency named "global"`},
		"unknown alias":         {"waitForMigrations", `"alias" "order"`, withExistingSecret, `shiplock.waitForMigrations: chart "shop" has no dependency named "order"`},
		"no glob":               {"waitForMigrations", "", withExistingSecret + "migrations: {fromChart: true}", `shiplock.waitForMigrations requires "glob"`},
		"no match":              {"waitForMigrations", `"glob" "sql/*"`, withExistingSecret + "migrations: {fromChart: true}", `shiplock.waitForMigrations: no file of chart "shop" that matches "sql/*" is an up migration`},
		"mode hook":             {"initContainer", "", withExistingSecret, `shiplock.initContainer: both the pods and a Job would migrate, because shiplock.mode is "hook": set shiplock.mode=initContainer, or use shiplock.waitForMigrations`},
		"files of the parent":   {"initContainer", "", withExistingSecret + "mode: initContainer\nmigrations: {fromChart: true}", "would run the new version's files in restarted pods of the old version"},
		"onNewer fail":          {"initContainer", "", withExistingSecret + "mode: initContainer\nonNewer: fail", "would prevent pods of the old version from starting"},
		"jobName without a Job": {"jobName", "", withExistingSecret + "mode: initContainer", "shiplock.jobName: mode: initContainer has no Job"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := renderPods(t, tc.helper, tc.arguments, tc.values)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

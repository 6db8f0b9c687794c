package charttest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// notifyVariables returns the variables of notifications.
func notifyVariables(env map[string]string) map[string]string {
	maps.DeleteFunc(env, func(name, _ string) bool {
		return !slices.Contains([]string{"SHIPLOCK_WEBHOOK_URL", "SHIPLOCK_WEBHOOK_TOKEN", "SHIPLOCK_WEBHOOK_URL_FILE", "SHIPLOCK_WEBHOOK_FORMAT", "SHIPLOCK_WEBHOOK_TEMPLATE",
			"SHIPLOCK_NOTIFY_SUCCESS", "SHIPLOCK_NOTIFY_TIMEOUT", "SHIPLOCK_PUSHGATEWAY_URL", "SHIPLOCK_KUBERNETES_EVENT", "SHIPLOCK_JOB_UID", "SHIPLOCK_POD_UID", "SHIPLOCK_REQUIRED_ENV"}, name)
	})
	return env
}

func TestNotify_Values_SetEnvironment(t *testing.T) {
	t.Parallel()
	const uid = "metadata.labels['batch.kubernetes.io/controller-uid']"
	for values, want := range map[string]map[string]string{
		"": {},
		"notify: {success: true, timeout: 1m, webhook: {url: 'https://hooks/$(X)', token: t, format: slack}}": {
			"SHIPLOCK_WEBHOOK_URL": "https://hooks/$(X)", "SHIPLOCK_WEBHOOK_TOKEN": "t", "SHIPLOCK_WEBHOOK_FORMAT": "slack", "SHIPLOCK_NOTIFY_SUCCESS": "true", "SHIPLOCK_NOTIFY_TIMEOUT": "60s"},
		"notify: {webhook: {existingSecret: {name: '{{ .Release.Name }}-hooks', keys: {url: u, token: t}}}}": {
			"SHIPLOCK_WEBHOOK_URL": "booking-hooks/u", "SHIPLOCK_WEBHOOK_TOKEN": "booking-hooks/t",
			"SHIPLOCK_REQUIRED_ENV": "SHIPLOCK_WEBHOOK_URL=booking-hooks/u SHIPLOCK_WEBHOOK_TOKEN=booking-hooks/t"},
		"notify: {webhook: {urlFile: /run/hook}}":                 {"SHIPLOCK_WEBHOOK_URL_FILE": "/run/hook"},
		"notify: {pushgateway: {url: 'http://u:p@gateway:9091'}}": {"SHIPLOCK_PUSHGATEWAY_URL": "http://u:p@gateway:9091"},
		"notify: {pushgateway: {existingSecret: {name: gateway, key: address}}}": {
			"SHIPLOCK_PUSHGATEWAY_URL": "gateway/address", "SHIPLOCK_REQUIRED_ENV": "SHIPLOCK_PUSHGATEWAY_URL=gateway/address"},
		"kubernetesEvents: {enabled: true}": {"SHIPLOCK_KUBERNETES_EVENT": "true", "SHIPLOCK_JOB_UID": uid, "SHIPLOCK_POD_UID": "metadata.uid"},
	} {
		assert.Equal(t, want, notifyVariables(environment(t, render(t, mergeYAML(t, withURL, "activeDeadlineSeconds: 300\n"+values)))), values)
	}
}

// The keys of existing Secrets of the database and of the webhook are in the same variable.
func TestNotify_ExistingSecrets_AreRequired(t *testing.T) {
	t.Parallel()
	env := environment(t, render(t, withExistingSecret+"notify: {webhook: {existingSecret: {name: hooks, keys: {url: u}}}}"))
	assert.Equal(t, "DATABASE_URL=db/URL SHIPLOCK_WEBHOOK_URL=hooks/u", env["SHIPLOCK_REQUIRED_ENV"])
}

// A webhook template is mounted as a file, unchanged, and only in containers that migrate.
func TestNotify_WebhookTemplate_IsMounted(t *testing.T) {
	t.Parallel()
	for _, text := range append(specialCharacters, `{"text": {{ json .title }}}`) {
		values := map[string]any{"notify": map[string]any{"webhook": map[string]any{"url": "https://a", "format": "template", "template": text}}}
		r := render(t, toYAML(t, merge(values, parse(t, withURL))))
		j := job(t, r, "")
		path := environment(t, r)["SHIPLOCK_WEBHOOK_TEMPLATE"]
		volume := j.Spec.Template.Spec.Volumes[0]
		assert.Equal(t, corev1.VolumeMount{Name: volume.Name, MountPath: "/etc/shiplock/notify", ReadOnly: true}, migrator(t, j).VolumeMounts[0])
		secret, err := Find[*corev1.Secret](r, volume.Secret.SecretName)
		require.NoError(t, err)
		assert.Equal(t, "/etc/shiplock/notify/"+volume.Secret.Items[0].Path, path)
		assert.Equal(t, text, string(secret.Data[volume.Secret.Items[0].Key]))
		pod, err := Find[*corev1.Pod](r, "")
		require.NoError(t, err)
		assert.Empty(t, pod.Spec.Volumes, "helm test sends no notifications")
		assert.Empty(t, notifyVariables(environmentOf(pod.Spec.Containers[0])))
	}
}

func environmentOf(c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	return env
}

// Only containers that migrate have notification settings. A webhook URL in the values is not a database secret, so the wait container is
// accepted without "env".
func TestNotify_InitContainers_MigratorOnly(t *testing.T) {
	t.Parallel()
	const notify = "notify: {webhook: {url: 'https://a', format: template, template: x}}\n"
	pod, err := renderPods(t, "waitForMigrations", "", withExistingSecret+notify)
	require.NoError(t, err)
	waitContainer := environmentOf(pod.InitContainers[0])
	assert.Equal(t, "wait", waitContainer["SHIPLOCK_MODE"])
	assert.Equal(t, map[string]string{"SHIPLOCK_REQUIRED_ENV": "DATABASE_URL=db/URL"}, notifyVariables(waitContainer))

	pod, err = renderPods(t, "initContainer", "", withExistingSecret+notify+"mode: initContainer\nkubernetesEvents: {enabled: true}\nserviceAccount: {name: app}")
	require.NoError(t, err)
	c := pod.InitContainers[0]
	env := environmentOf(c)
	assert.Equal(t, "initContainer", env["SHIPLOCK_MODE"])
	assert.Equal(t, "true", env["SHIPLOCK_KUBERNETES_EVENT"])
	assert.Contains(t, env, "SHIPLOCK_POD_UID")
	assert.NotContains(t, env, "SHIPLOCK_JOB")
	assert.Equal(t, []string{"shiplock-ca", "shiplock-notify"}, []string{c.VolumeMounts[0].Name, c.VolumeMounts[1].Name})
	var volumes []string
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
	}
	assert.Equal(t, []string{"shiplock-ca", "shiplock-notify", "orders-ca", "orders-notify"}, volumes)
}

// SHIPLOCK_MODE determines how the failure report describes the effect on the release.
func TestMode_Values_SetEnvironment(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"": "hook", "mode: job": "job", "mode: argocd": "argocd", "database: {partOfRelease: true}": "job", "mode: argocd\ndatabase: {partOfRelease: true}": "argocd",
	} {
		assert.Equal(t, want, environment(t, render(t, mergeYAML(t, withURL, values)))["SHIPLOCK_MODE"], values)
	}
}

// Another webhook URL changes the name of the Job.
func TestJobName_OrdinaryJob_DependsOnSecrets(t *testing.T) {
	t.Parallel()
	const values = withURL + "mode: job\nnotify: {webhook: {url: 'https://a'}}"
	before := job(t, render(t, values), "").Name
	assert.NotEqual(t, before, job(t, render(t, mergeYAML(t, values, "notify: {webhook: {url: 'https://b'}}")), "").Name)
	assert.Equal(t, before, job(t, render(t, values), "").Name)
}

package charttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An init container copies the migrator for the tool's unmodified image, and the migrator runs the tool.
func TestTool_Image_RunsUnderExec(t *testing.T) {
	t.Parallel()
	const values = withURL + "extraArgs: [--grace=10s]\nmigrationsTable: versions\ntool: {image: {repository: shop/app, tag: v2}, command: [npm, run], args: [migrate], env: [{name: NODE_ENV, value: production}]}"
	r := render(t, values)
	j := job(t, r, "")
	pod := j.Spec.Template.Spec
	assertRestricted(t, "tool", pod)
	c := migrator(t, j)
	assert.Equal(t, "migrator", c.Name, "podFailurePolicy names it")
	assert.Equal(t, "shop/app:v2", c.Image)
	assert.Equal(t, []string{"/shiplock/migrator", "exec", "--grace=10s", "--", "npm", "run", "migrate"}, c.Command)
	assert.Empty(t, c.Args)
	require.Len(t, pod.InitContainers, 1)
	install := pod.InitContainers[0]
	assert.Equal(t, "shop/migrations:v1", install.Image)
	assert.Equal(t, []string{"install", "/shiplock"}, install.Args)
	assert.Equal(t, "/shiplock", install.VolumeMounts[0].MountPath)
	assert.False(t, install.VolumeMounts[0].ReadOnly)
	assert.Equal(t, install.VolumeMounts[0].Name, c.VolumeMounts[0].Name)
	assert.True(t, c.VolumeMounts[0].ReadOnly)

	env := environment(t, r)
	assert.Equal(t, []string{"postgres://booking@db/booking", "production", "/tmp", "versions"}, []string{env["DATABASE_URL"], env["NODE_ENV"], env["HOME"], env["SHIPLOCK_TABLE"]})
	assert.Equal(t, "shop/app:v2", env["SHIPLOCK_TOOL_VERSION"])
	assert.NotContains(t, env, "SHIPLOCK_ON_NEWER")
	assert.NotContains(t, env, "SHIPLOCK_ON_STALE_LOCK")
	policies := environment(t, render(t, mergeYAML(t, values, "{onNewer: fail, tool: {onStaleLock: release}}")))
	assert.Equal(t, []string{"fail", "release"}, []string{policies["SHIPLOCK_ON_NEWER"], policies["SHIPLOCK_ON_STALE_LOCK"]})
	assert.NotContains(t, env, "SHIPLOCK_SOURCE")
	assert.NotContains(t, env, "SHIPLOCK_LOCK_TIMEOUT", "a tool's statements are its own")
	home := render(t, mergeYAML(t, values, "tool: {env: [{name: HOME, value: /home/app}]}"))
	assert.Equal(t, "/home/app", environment(t, home)["HOME"])
	assert.Equal(t, j.Spec.PodFailurePolicy, job(t, render(t, withURL), "").Spec.PodFailurePolicy)
}

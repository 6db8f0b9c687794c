package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/e2e/database"
	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// password is the password of each scenario's role, except in passwords.txtar. It occurs in no other text, which would be redacted, too.
const password = "open-sesame"

func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster takes longer than -short allows")
	}
	testscript.Run(t, testscript.Params{
		Files:              scripts(t),
		Setup:              suite.setup,
		Cmds:               map[string]func(*testscript.TestScript, bool, []string){"image": imageCommand, "database": databaseCommand, "tool": toolCommand},
		RequireUniqueNames: true,
	})
}

// scripts returns the scenarios, long ones first, so that none runs alone at the end.
func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	require.NoError(t, err)
	sizes := map[string]int64{}
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		sizes[file] = info.Size()
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(sizes[b], sizes[a]) })
	return files
}

// setup creates a scenario's namespace and database.
func (s *shared) setup(env *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	name = fmt.Sprintf("%s-%s", name, strings.ToLower(rand.Text()[:5]))
	cluster, err := kube.New(s.kubeconfig, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	if err := cluster.CreateNamespace(ctx); err != nil {
		return err
	}
	if err := s.database.Create(ctx, name, password); err != nil {
		return err
	}
	url := database.URL(name, password)
	if err := cluster.CreateSecret(ctx, "booking-database", map[string]string{"DATABASE_URL": url}); err != nil {
		return err
	}
	env.Defer(func() { s.teardown(env.T(), cluster) })
	for key, value := range s.environment(env.WorkDir) {
		env.Setenv(key, value)
	}
	for name, path := range map[string]string{"SLOW": "testdata/slow", "RECEIVER": "testdata/receiver/receiver.yaml",
		"PREVIOUS": "testdata/shiplock-previous.tgz", "FINGERPRINT": "../../schema/fingerprint.sql"} {
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		env.Setenv(name, path)
	}
	env.Setenv(envNamespace, name)
	env.Setenv("HELM_NAMESPACE", name)
	env.Setenv("DB_NAME", name)
	env.Setenv("DB_PASSWORD", password)
	env.Setenv("DB_URL", url)
	return nil
}

// environment returns the environment of all scenarios, with separate folders for Helm.
func (s *shared) environment(work string) map[string]string {
	env := map[string]string{
		envKubeconfig:  s.kubeconfig,
		"KUBECACHEDIR": s.discovery,
		"DB_HOST":      database.Host,
		"DB_PORT":      database.Port,
		"BOOKING":      s.charts.Booking,
		"SHIPLOCK":     s.charts.Shiplock,
		"HELM4":        s.helm4,
		"GOGC":         "400", // several hundred short-lived processes of helm
	}
	for _, folder := range []string{"CACHE", "CONFIG", "DATA"} {
		env["HELM_"+folder+"_HOME"] = filepath.Join(work, ".helm", strings.ToLower(folder))
	}
	for _, release := range []string{"v1", "v2", "v3"} {
		env[strings.ToUpper(release)] = fmt.Sprintf("--set=image.tag=%[1]s,shiplock.image.tag=%[1]s", release)
	}
	env["V3_FIXED"] = "--set=image.tag=v3,shiplock.image.tag=v3-fixed"
	return env
}

// teardown deletes a scenario's namespace and database. After a failure it keeps them and logs the diagnosis.
func (s *shared) teardown(t testscript.T, cluster *kube.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	if failed, ok := t.(interface{ Failed() bool }); ok && failed.Failed() {
		var why bytes.Buffer
		cluster.Diagnose(ctx, &why)
		t.Log(fmt.Sprintf("namespace %[1]s (kept: kubectl --kubeconfig %[2]s -n %[1]s get all)\n%[3]s",
			cluster.Namespace, s.kubeconfig, why.String()))
		return
	}
	if *keep {
		return
	}
	if err := cluster.DeleteNamespace(ctx); err != nil {
		t.Log("namespace not deleted: ", err)
	}
	if err := s.database.Drop(ctx, cluster.Namespace); err != nil {
		t.Log("database not deleted: ", err)
	}
}

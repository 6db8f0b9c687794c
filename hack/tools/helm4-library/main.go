// Command helm4-library installs, upgrades and rolls back a release with Helm 4's library, set up as Flux's helm-controller sets it
// up: an action.Configuration without HookOutputFunc, server-side apply, waiting by kstatus, and waiting for Jobs. Its build has no
// version information, as a program that embeds the library has none.
//
//	helm4-library [flags] install|upgrade NAME CHART
//	helm4-library [flags] rollback NAME
//
// KUBECONFIG and HELM_NAMESPACE hold. With --failing-hooks there is no cluster: each Job that is a hook fails, and the library's
// own client reads the failed Job's pod and log from a server in this process.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/kube/fake"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run() error {
	settings := cli.New()
	var vals values.Options
	flag.Var((*list)(&vals.ValueFiles), "f", "values file")
	flag.Var((*list)(&vals.Values), "set", "value")
	timeout := flag.Duration("timeout", 5*time.Minute, "for each operation, such as a hook")
	failing := flag.Bool("failing-hooks", false, "use no cluster, and let each Job that is a hook fail")
	flag.Parse()
	if flag.NArg() < 2 {
		return errors.New("usage: helm4-library [flags] install|upgrade NAME CHART, or rollback NAME")
	}
	config, err := configuration(settings, *failing)
	if err != nil {
		return err
	}
	command, name := flag.Arg(0), flag.Arg(1)
	if command == "rollback" {
		rollback := action.NewRollback(config)
		rollback.Timeout, rollback.WaitForJobs, rollback.WaitStrategy = *timeout, true, kube.StatusWatcherStrategy
		return rollback.Run(name)
	}
	given, err := vals.MergeValues(getter.All(settings))
	if err != nil {
		return err
	}
	chart, err := loader.Load(flag.Arg(2))
	if err != nil {
		return err
	}
	switch command {
	case "install":
		install := action.NewInstall(config)
		install.ReleaseName, install.Namespace, install.Timeout = name, settings.Namespace(), *timeout
		install.ServerSideApply, install.WaitForJobs, install.WaitStrategy = true, true, kube.StatusWatcherStrategy
		_, err = install.Run(chart, given)
	case "upgrade":
		upgrade := action.NewUpgrade(config)
		upgrade.Namespace, upgrade.Timeout = settings.Namespace(), *timeout
		upgrade.ServerSideApply, upgrade.WaitForJobs, upgrade.WaitStrategy = "true", true, kube.StatusWatcherStrategy
		_, err = upgrade.Run(name, chart, given)
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	return err
}

func configuration(settings *cli.EnvSettings, failing bool) (*action.Configuration, error) {
	config := action.NewConfiguration()
	if failing {
		pods, err := failedPods(settings.Namespace())
		if err != nil {
			return nil, err
		}
		config.Capabilities = common.DefaultCapabilities.Copy()
		config.Capabilities.KubeVersion = common.KubeVersion{Version: "v1.36.3", Major: "1", Minor: "36"}
		config.KubeClient = &failingHooks{pods: pods, FailingKubeClient: fake.FailingKubeClient{
			PrintingKubeClient: fake.PrintingKubeClient{Out: io.Discard, LogOutput: io.Discard}}}
		config.Releases = storage.Init(driver.NewMemory())
		return config, nil
	}
	client := kube.New(settings.RESTClientGetter())
	if err := client.IsReachable(); err != nil {
		return nil, err
	}
	clients, err := client.Factory.KubernetesClientSet()
	if err != nil {
		return nil, err
	}
	config.RESTClientGetter, config.KubeClient = settings.RESTClientGetter(), client
	config.Releases = storage.Init(driver.NewSecrets(clients.CoreV1().Secrets(settings.Namespace())))
	return config, nil
}

// failingHooks is a client without a cluster. What Helm does with the output of a failed hook is done by Helm's own client.
type failingHooks struct {
	fake.FailingKubeClient
	pods *kube.Client
}

// Build notes whether the hook that is waited for next is a Job.
func (c *failingHooks) Build(manifest io.Reader, validate bool) (kube.ResourceList, error) {
	text, err := io.ReadAll(manifest)
	if err != nil {
		return nil, err
	}
	c.WatchUntilReadyError = nil
	if bytes.Contains(text, []byte("\nkind: Job\n")) {
		c.WatchUntilReadyError = errors.New("the Job failed")
	}
	return c.FailingKubeClient.Build(bytes.NewReader(text), validate)
}

func (c *failingHooks) GetPodList(namespace string, options metav1.ListOptions) (*corev1.PodList, error) {
	return c.pods.GetPodList(namespace, options)
}

func (c *failingHooks) OutputContainerLogsForPodList(pods *corev1.PodList, namespace string, writer func(namespace, pod, container string) io.Writer) error {
	return c.pods.OutputContainerLogsForPodList(pods, namespace, writer)
}

// failedPods returns a client that reads one pod and its log.
func failedPods(namespace string) (*kube.Client, error) {
	mux := http.NewServeMux()
	answer := func(path, contentType, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, body)
		})
	}
	pods := "/api/v1/namespaces/" + namespace + "/pods"
	answer("/version", "application/json", `{"major":"1","minor":"36","gitVersion":"v1.36.3"}`)
	answer(pods, "application/json", `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"migrations"},"spec":{"containers":[{"name":"migrator"}]}}]}`)
	answer(pods+"/migrations/log", "text/plain", "migration 9_x.up.sql failed and was rolled back\n")
	server := httptest.NewServer(mux) // until the process ends
	flags := genericclioptions.NewConfigFlags(false)
	flags.APIServer, flags.Namespace = &server.URL, &namespace
	client := kube.New(flags)
	return client, client.IsReachable()
}

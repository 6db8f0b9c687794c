package e2e

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/shiplock/shiplock/internal/test/e2e/kube"
)

// fluxCommand:
//
//	flux install
//	flux run CHART.tgz &flux&  ...  kill -INT flux  ...  wait flux
//
// The first creates the custom resources that helm-controller reads. The second runs helm-controller on this machine for the
// scenario's namespace until it is interrupted, with the packaged chart as the ExternalArtifact "booking". source-controller does not
// run. Delete HelmReleases while the controller runs: they have a finalizer.
func fluxCommand(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "install":
		return installFlux(ctx)
	case len(args) == 2 && args[0] == "run":
		return runFlux(ctx, args[1])
	}
	return errors.New("flux install, or flux run CHART.tgz")
}

// sources are the kinds of source-controller that helm-controller watches.
var sources = map[string]string{
	"HelmChart": "helmcharts", "OCIRepository": "ocirepositories", "ExternalArtifact": "externalartifacts",
}

const sourceDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %[2]s.source.toolkit.fluxcd.io
spec:
  group: source.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: %[1]s, plural: %[2]s}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

func installFlux(ctx context.Context) error {
	release, err := os.ReadFile(os.Getenv("HELM_RELEASE_CRD"))
	if err != nil {
		return err
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	if err := cluster.Apply(ctx, "HelmRelease", strings.NewReader(string(release)), false); err != nil {
		return err
	}
	served := []string{"helmreleases.helm.toolkit.fluxcd.io"}
	for kind, plural := range sources {
		served = append(served, plural+".source.toolkit.fluxcd.io")
		definition := fmt.Sprintf(sourceDefinition, kind, plural)
		if err := cluster.Apply(ctx, kind, strings.NewReader(definition), false); err != nil {
			return err
		}
	}
	for _, resource := range served {
		err := pollUntil(ctx, func(context.Context) (bool, error) {
			// A client reads the kinds of the cluster only once.
			cluster, err := client()
			if err != nil {
				return false, err
			}
			_, err = cluster.Get(kube.Query{Args: []string{resource}})
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("%s is not served: %w", resource, err)
		}
	}
	return nil
}

const artifact = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: ExternalArtifact
metadata: {name: booking}
status:
  artifact: {path: chart.tgz, url: "http://%s/chart.tgz", revision: 1.0.0, digest: "sha256:%x", lastUpdateTime: %q}
`

func runFlux(ctx context.Context, chart string) error {
	text, err := os.ReadFile(chart)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }),
	}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	cluster, err := client()
	if err != nil {
		return err
	}
	manifest := fmt.Sprintf(artifact, listener.Addr(), sha256.Sum256(text), time.Now().Format(time.RFC3339))
	if err := cluster.Apply(ctx, "ExternalArtifact", strings.NewReader(manifest), false); err != nil {
		return err
	}
	controller := exec.CommandContext(ctx, os.Getenv("HELM_CONTROLLER"),
		"--watch-all-namespaces=false", "--feature-gates=ExternalArtifact=true", "--metrics-addr=0", "--health-addr=0")
	controller.Env = append(os.Environ(), "RUNTIME_NAMESPACE="+cluster.Namespace)
	controller.Stdout, controller.Stderr = os.Stdout, os.Stderr
	controller.Cancel = func() error { return controller.Process.Signal(os.Interrupt) }
	controller.WaitDelay = time.Minute
	if err := controller.Run(); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("helm-controller: %w", err)
	}
	return nil
}

// Command argocd-sync synchronizes a folder of manifests to a cluster with Argo CD's own sync engine, as Argo CD's application
// controller does: it reads the live objects from the engine's cache, runs one step of the sync, and repeats this until the sync ends.
//
//	argocd-sync [flags] DIRECTORY
//
// KUBECONFIG and NAMESPACE hold. It prints a line for each synchronized object or hook, a line for each object that differs from its
// manifest afterwards, and the phase of the sync. The exit code is 1 if the sync fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/textlogger"
)

const (
	// trackingAnnotation marks the objects of an application, as in Argo CD 3.
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	// waveDelay is the pause after each wave, in which controllers react to the changes: Argo CD's default of ARGOCD_SYNC_WAVE_DELAY.
	waveDelay = 2 * time.Second
	// refresh is the time after which the next step runs without a change of an object.
	refresh = time.Second
	// cacheLag limits the wait for the cache to have the objects of a successful sync.
	cacheLag = 30 * time.Second
	// terminationTimeout limits the deletion of running hooks when a sync is interrupted.
	terminationTimeout = 30 * time.Second
)

// A list is a flag that can be repeated.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var resources list
	name := flag.String("application", "booking", "name of the application, which owns the objects that it creates")
	flag.Var(&resources, "resource", "KIND/NAME to synchronize, repeatable; Argo CD runs no hooks in such a sync")
	timeout := flag.Duration("timeout", 5*time.Minute, "maximum duration of the sync")
	verbose := flag.Bool("v", false, "print the engine's log to standard error")
	flag.Parse()
	if flag.NArg() != 1 {
		return errors.New("usage: argocd-sync [flags] DIRECTORY")
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(clientcmd.RecommendedConfigPathEnvVar))
	if err != nil {
		return err
	}
	log := logr.Discard()
	if *verbose {
		log = textlogger.NewLogger(textlogger.NewConfig())
	}
	app := &application{
		name: *name, namespace: os.Getenv("NAMESPACE"), resources: resources, config: config, log: log,
		kubectl: &kube.KubectlCmd{Log: log, Tracer: tracing.NopTracer{}},
	}
	if app.targets, err = app.manifests(flag.Arg(0)); err != nil {
		return err
	}
	return app.sync(ctx, out)
}

// An application is what an Application of Argo CD describes, with the manifests of one revision.
type application struct {
	name      string
	namespace string
	targets   []*unstructured.Unstructured
	// resources are the objects of a partial sync, as KIND/NAME.
	resources []string
	config    *rest.Config
	kubectl   kube.Kubectl
	log       logr.Logger
}

// manifests reads the YAML files of a directory and marks their objects.
func (a *application) manifests(directory string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		objects, err := kube.SplitYAML(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, object := range objects {
			if object.GetNamespace() == "" {
				object.SetNamespace(a.namespace)
			}
			annotations := object.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			kind := object.GroupVersionKind()
			annotations[trackingAnnotation] = fmt.Sprintf("%s:%s/%s:%s/%s", a.name, kind.Group, kind.Kind, object.GetNamespace(), object.GetName())
			object.SetAnnotations(annotations)
		}
		all = append(all, objects...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no manifests", directory)
	}
	return all, nil
}

// An owner is the application of an object in the cache.
type owner string

func ownerOf(object *unstructured.Unstructured, _ bool) (info any, cacheManifest bool) {
	name, _, found := strings.Cut(object.GetAnnotations()[trackingAnnotation], ":")
	return owner(name), found
}

func (a *application) sync(ctx context.Context, out io.Writer) error {
	live := cache.NewClusterCache(a.config, cache.SetKubectl(a.kubectl), cache.SetLogr(a.log),
		cache.SetNamespaces([]string{a.namespace}), cache.SetPopulateResourceInfoHandler(ownerOf))
	if err := live.EnsureSynced(); err != nil {
		return fmt.Errorf("read the namespace's objects: %w", err)
	}
	defer live.Invalidate()
	changed := make(chan struct{}, 1)
	unsubscribe := live.OnResourceUpdated(func(_, _ *cache.Resource, _ map[kube.ResourceKey]*cache.Resource) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer unsubscribe()
	operation := operation{phase: common.OperationRunning, started: metav1.Now()}
	// The pause after the last step lets the cache receive the last changes.
	for !operation.phase.Completed() {
		if err := a.step(ctx, live, &operation); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-time.After(refresh):
		case <-ctx.Done():
		}
	}
	for _, r := range operation.results {
		fmt.Fprintf(out, "%s %s/%s: %s %s\n", r.SyncPhase, r.ResourceKey.Kind, r.ResourceKey.Name, state(r), r.Message)
	}
	different, err := a.differences(ctx, live)
	// The cache may not have the last changes yet, which the controller shows as soon as it has them.
	for limit := time.Now().Add(cacheLag); err == nil && len(different) > 0 && operation.phase == common.OperationSucceeded && len(a.resources) == 0 && time.Now().Before(limit); {
		select {
		case <-changed:
		case <-time.After(refresh):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		different, err = a.differences(ctx, live)
	}
	for _, object := range different {
		fmt.Fprintf(out, "OutOfSync %s\n", object)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s\n", operation.phase, operation.message)
	if !operation.phase.Successful() {
		return fmt.Errorf("sync %s: %s", strings.ToLower(string(operation.phase)), operation.message)
	}
	return nil
}

// state returns the phase of a hook, and whether another object was synchronized.
func state(r common.ResourceSyncResult) string {
	if r.HookType != "" {
		return string(r.HookPhase)
	}
	return string(r.Status)
}

// An operation is the state of a sync between two steps. Argo CD stores it in the status of the Application.
type operation struct {
	phase   common.OperationPhase
	message string
	results []common.ResourceSyncResult
	started metav1.Time
}

// step runs one step of a sync, or terminates the sync if ctx has ended.
func (a *application) step(ctx context.Context, live cache.ClusterCache, o *operation) error {
	resources, err := a.reconcile(live)
	if err != nil {
		return err
	}
	step, cleanup, err := sync.NewSyncContext("", resources, a.config, a.config, a.kubectl, a.namespace,
		sync.WithLogr(a.log),
		// Not a dry run, prunes, does not replace objects, and skips hooks as Argo CD does if the sync has a list of resources.
		sync.WithOperationSettings(false, true, false, len(a.resources) > 0),
		sync.WithInitialState(o.phase, o.message, o.results, o.started),
		sync.WithResourcesFilter(a.includes),
		sync.WithSyncWaveHook(func(_ common.SyncPhase, _ int, final bool) error {
			if !final {
				time.Sleep(waveDelay)
			}
			return nil
		}),
	)
	if err != nil {
		return err
	}
	defer cleanup()
	if ctx.Err() == nil {
		step.Sync(ctx)
	} else {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), terminationTimeout)
		defer cancel()
		step.Terminate(ctx)
	}
	o.phase, o.message, o.results = step.GetState()
	return nil
}

func (a *application) includes(key kube.ResourceKey, _, _ *unstructured.Unstructured) bool {
	return len(a.resources) == 0 || slices.Contains(a.resources, key.Kind+"/"+key.Name)
}

// reconcile pairs the manifests with the live objects of the application.
func (a *application) reconcile(live cache.ClusterCache) (sync.ReconciliationResult, error) {
	objects, err := live.GetManagedLiveObjs(a.targets, func(r *cache.Resource) bool { return r.Info == owner(a.name) })
	if err != nil {
		return sync.ReconciliationResult{}, fmt.Errorf("read the application's objects: %w", err)
	}
	return sync.Reconcile(a.targets, objects, a.namespace, live), nil
}

// differences returns the objects for which Argo CD shows OutOfSync.
func (a *application) differences(ctx context.Context, live cache.ClusterCache) (different []string, err error) {
	resources, err := a.reconcile(live)
	if err != nil {
		return nil, err
	}
	differences, err := diff.DiffArray(ctx, resources.Target, resources.Live, diff.WithLogr(a.log), diff.WithGVKParser(live.GetGVKParser()))
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	for i, d := range differences.Diffs {
		object := resources.Target[i]
		if object == nil {
			object = resources.Live[i]
		}
		if d.Modified {
			different = append(different, object.GetKind()+"/"+object.GetName())
		}
	}
	return different, nil
}

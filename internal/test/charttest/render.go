package charttest

import (
	"fmt"
	"io"
	"log"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// KubeVersion is the default Kubernetes version for rendering. The Helm library's default is 1.20.
const KubeVersion = "v1.36.3"

// Options are arguments of "helm template". The defaults are release "booking", namespace "shop" and KubeVersion.
type Options struct {
	Release     string
	Namespace   string
	KubeVersion string
	// Upgrade renders for an existing release.
	Upgrade bool
	// APIVersions are the arguments of --api-versions, such as "security.openshift.io/v1".
	APIVersions []string
	Values      map[string]any
}

func (o Options) withDefaults() Options {
	if o.Release == "" {
		o.Release = "booking"
	}
	if o.Namespace == "" {
		o.Namespace = "shop"
	}
	if o.KubeVersion == "" {
		o.KubeVersion = KubeVersion
	}
	return o
}

// Helm's own program has a commit in its build information.
func init() {
	chartutil.DefaultCapabilities.HelmVersion.GitCommit = "0000000000000000000000000000000000000000"
}

// A Rendered is a release that was rendered but not installed.
type Rendered struct {
	*release.Release
}

// Render renders the chart in dir without a cluster.
func Render(dir string, opts Options) (*Rendered, error) {
	c, err := Load(dir)
	if err != nil {
		return nil, err
	}
	return RenderChart(c, opts)
}

// RenderChart renders c without a cluster. Helm changes a chart while it renders, so c must not be used again.
func RenderChart(c *chart.Chart, opts Options) (*Rendered, error) {
	opts = opts.withDefaults()
	version, err := chartutil.ParseKubeVersion(opts.KubeVersion)
	if err != nil {
		return nil, fmt.Errorf("kubernetes version %q: %w", opts.KubeVersion, err)
	}
	install := action.NewInstall(&action.Configuration{
		KubeClient: &fake.PrintingKubeClient{Out: io.Discard},
		Releases:   storage.Init(driver.NewMemory()),
		Log:        func(format string, args ...any) { log.Printf(format, args...) },
	})
	install.DryRun = true
	install.ClientOnly = true
	install.Replace = true
	install.IsUpgrade = opts.Upgrade
	install.APIVersions = opts.APIVersions
	install.KubeVersion = version
	install.ReleaseName = opts.Release
	install.Namespace = opts.Namespace
	r, err := install.Run(c, opts.Values)
	if err != nil {
		return nil, err
	}
	return &Rendered{r}, nil
}

// Template returns the output of "helm template".
func (r *Rendered) Template() string {
	var out strings.Builder
	if m := strings.TrimSpace(r.Manifest); m != "" {
		fmt.Fprintln(&out, m)
	}
	for _, h := range r.Hooks {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	return out.String()
}

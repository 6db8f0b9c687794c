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

// KubeVersion is what charts are rendered for unless a test says otherwise; the Helm library's own default is 1.20.
const KubeVersion = "v1.36.3"

// Options are what "helm template" takes as arguments. Empty fields mean release "booking", namespace "shop" and KubeVersion.
type Options struct {
	Release     string
	Namespace   string
	KubeVersion string
	// Upgrade renders as for a release that exists already.
	Upgrade bool
	// APIVersions are what "helm template --api-versions" adds, such as "security.openshift.io/v1".
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

// The package renders as Helm's own program does, whose build information has a commit.
func init() {
	chartutil.DefaultCapabilities.HelmVersion.GitCommit = "0000000000000000000000000000000000000000"
}

// Rendered is a release that was rendered and not installed.
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

// RenderChart renders c without a cluster. Helm changes a chart while it renders, so c is good for one call only.
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

// Template is what "helm template" prints.
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

package release

import (
	"fmt"
	"io"
	"log"
	"os"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
)

// configure returns Helm's connection to the cluster, after the flags are parsed.
type configure func() (*action.Configuration, error)

func configuration(settings *cli.EnvSettings, errs io.Writer) (*action.Configuration, error) {
	settings.QPS, settings.BurstLimit = -1, -1
	config := new(action.Configuration)
	debug := func(format string, args ...any) {
		if settings.Debug {
			fmt.Fprintf(errs, format+"\n", args...)
		}
	}
	if err := config.Init(settings.RESTClientGetter(), settings.Namespace(), os.Getenv("HELM_DRIVER"), debug); err != nil {
		return nil, fmt.Errorf("helm: %w", err)
	}
	config.SetHookOutputFunc(func(_, _, _ string) io.Writer { return log.Writer() })
	return config, nil
}

package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/shiplock/shiplock/internal/config"
)

// sidecarTimeout limits the request, so that an unavailable sidecar does not keep the pod running.
const sidecarTimeout = 3 * time.Second

func (a *app) sidecarFlag(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.SidecarShutdownURL, "sidecar-shutdown-url", "",
		"URL to POST to when the run ends, to shut down a service mesh sidecar, such as http://localhost:15020/quitquitquit ($SHIPLOCK_SIDECAR_SHUTDOWN_URL)")
}

// checkSidecarShutdownURL validates the URL before the run starts.
func checkSidecarShutdownURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return &config.UsageError{Problem: fmt.Sprintf("--sidecar-shutdown-url is %q; want a URL such as http://localhost:15020/quitquitquit", s)}
	}
	return nil
}

// shutDownSidecar requests the shutdown of a service mesh sidecar in the pod. A failure is
// logged and does not change the exit code.
func (a *app) shutDownSidecar() {
	target := a.settings.SidecarShutdownURL
	if target == "" || checkSidecarShutdownURL(target) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sidecarTimeout) // the context of the run may be canceled
	defer cancel()
	status, err := post(ctx, target)
	log, logErr := a.logger()
	switch {
	case logErr != nil:
	case err != nil:
		log.Warn("sidecar shutdown failed", "error", err)
	default:
		log.Info("sidecar shutdown requested", "url", target, "status", status)
	}
}

func post(ctx context.Context, target string) (status string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10)) // wait for the complete response
	return response.Status, response.Body.Close()
}

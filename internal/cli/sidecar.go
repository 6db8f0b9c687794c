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

// sidecarTimeout bounds the request: a pod must not live longer for want of a proxy.
const sidecarTimeout = 3 * time.Second

func (a *app) sidecarFlag(fs *pflag.FlagSet) {
	fs.StringVar(&a.settings.SidecarShutdownURL, "sidecar-shutdown-url", "",
		"POST to this URL at the end, whatever the end is, such as http://localhost:15020/quitquitquit: a service mesh's proxy then ends with the pod ($SHIPLOCK_SIDECAR_SHUTDOWN_URL)")
}

// checkSidecarShutdownURL says whether quit can work, before anything runs.
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

// quit tells a mesh's proxy in our pod that we are done. What becomes of that is
// logged and changes no exit code.
func (a *app) shutDownSidecar() {
	target := a.settings.SidecarShutdownURL
	if target == "" || checkSidecarShutdownURL(target) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sidecarTimeout) // ours may have ended
	defer cancel()
	status, err := post(ctx, target)
	log, logErr := a.logger()
	switch {
	case logErr != nil:
	case err != nil:
		log.Warn("the proxy could not be told to quit", "error", err)
	default:
		log.Info("told the proxy to quit", "url", target, "answer", status)
	}
}

func post(ctx context.Context, target string) (status string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<10)) // so that it is answered in full
	return answer.Status, answer.Body.Close()
}

package notifications

import (
	"net/url"
	"strings"

	"github.com/shiplock/shiplock/internal/notify"
)

// parseURL parses the URL of a flag. Its errors do not contain the URL.
func parseURL(secrets *notify.Secrets, flag, text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		secrets.Add(text)
		return nil, usageErrorf("%s is not a URL such as https://hooks.example.com/path (its value is not shown: it may be a secret)", flag)
	}
	secrets.AddURL(text, u)
	return u, nil
}

// addProxySecrets adds the password of a proxy: net/http quotes a proxy URL that it cannot parse.
func addProxySecrets(secrets *notify.Secrets, getenv func(string) string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if value := getenv(name); strings.Contains(value, "@") {
			secrets.Add(value)
		}
	}
}

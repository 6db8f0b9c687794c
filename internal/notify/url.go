package notify

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// httpURL reads the URL of an option. What is wrong with it is said without it.
func (n *Notifier) httpURL(option, text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		n.addSecret(text)
		return nil, optionErrorf("%s is not a URL such as https://hooks.example.com/path (its value is not shown: it may be a secret)", option)
	}
	n.addURLSecrets(text, u)
	return u, nil
}

// secretFile reads what a file holds, without the space around it.
func secretFile(option, file string) (string, error) {
	text, err := read(file)
	if err != nil {
		return "", optionErrorf("%s: %v", option, err)
	}
	if s := strings.TrimSpace(string(text)); s != "" {
		return s, nil
	}
	return "", optionErrorf("%s: %s is empty", option, file)
}

// maxFile is the most that is read of a file of the user's.
const maxFile = 256 << 10

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than 256 kB", file)
	}
	return text, err
}

// addProxySecrets has Redact hide the password of a proxy: net/http quotes one that it
// cannot read.
func (n *Notifier) addProxySecrets(getenv func(string) string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if value := getenv(name); strings.Contains(value, "@") {
			n.addSecret(value)
		}
	}
}

// channelName names a sink by the host alone.
func channelName(what string, u *url.URL) string { return fmt.Sprintf("%s %s", what, oneLine(u.Host)) }

// header is what all requests have.
func (o Options) header(contentType string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	if o.Agent != "" {
		h.Set("User-Agent", o.Agent)
	}
	return h
}

// viaProxy is a transport that asks the environment for a proxy.
func viaProxy() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
}

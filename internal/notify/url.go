package notify

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/shiplock/shiplock/internal/text"
)

// httpURL parses the URL of an option. Its errors do not contain the URL.
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

// secretFile returns the content of a file without surrounding white space.
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

// maxFile is the maximum size of a file of the user.
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

// addProxySecrets makes Redact hide the password of a proxy: net/http quotes a proxy URL that
// it cannot parse.
func (n *Notifier) addProxySecrets(getenv func(string) string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if value := getenv(name); strings.Contains(value, "@") {
			n.addSecret(value)
		}
	}
}

// channelName returns the name of a channel, with the host of its URL only.
func channelName(what string, u *url.URL) string {
	return fmt.Sprintf("%s %s", what, text.OneLine(u.Host))
}

// header returns the header of all requests.
func (o Options) header(contentType string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	if o.Agent != "" {
		h.Set("User-Agent", o.Agent)
	}
	return h
}

// viaProxy returns a transport that uses the proxy of the environment.
func viaProxy() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
}

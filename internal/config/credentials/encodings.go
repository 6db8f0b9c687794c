package credentials

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// minEncoded is the minimum length of secrets whose base64 encoding is redacted: that of a
// shorter one would occur in any text.
const minEncoded = 6

// encodings returns the forms in which a text may contain a secret: literally, and as
// encoded in URLs, Go, JSON, SQL, libpq strings and Kubernetes Secrets.
func encodings(secret string) []string {
	if secret == "" {
		return nil
	}
	out := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.TrimPrefix(url.UserPassword("", secret).String(), ":"),
		percentEncode(secret), strings.ReplaceAll(secret, "'", "''"), strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(secret),
		strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret), unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret)),
	}
	if j, err := json.Marshal(secret); err == nil {
		out = append(out, unquoted(string(j)))
	}
	if len(secret) >= minEncoded {
		for _, part := range []string{secret, secret[:len(secret)/3*3]} { // the rest may be encoded together with a line break
			out = append(out, base64.RawStdEncoding.EncodeToString([]byte(part)), base64.RawURLEncoding.EncodeToString([]byte(part)))
		}
	}
	return out
}

func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

// percentEncode encodes each byte that is not a letter or digit as %XX.
func percentEncode(s string) string {
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

package servermessage

import (
	"strings"
)

// IsDriverError reports whether an error is lib/pq's own or one of the TLS handshake, and not one of
// the network. lib/pq hides some network errors from errors.As (those before anything was sent, so that
// database/sql may retry). Its own errors start with "pq:", and those of a handshake contain "tls:"; neither is temporary.
func IsDriverError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "pq:") || strings.Contains(text, "tls:")
}

// IsStandbyRefused reports whether lib/pq refused a server because it is a standby
// (target_session_attrs).
func IsStandbyRefused(err error) bool {
	return err != nil && strings.Contains(err.Error(), "hot standby")
}

// IsNotPEM reports whether lib/pq could not read sslrootcert as PEM.
func IsNotPEM(err error) bool { return strings.Contains(err.Error(), "couldn't parse pem") }

// IsCertificateError reports whether an error is any of crypto/x509, several of which have no type.
func IsCertificateError(err error) bool { return strings.Contains(err.Error(), "x509:") }

// ConnectionText returns the text of an error of a connection. database/sql's text for a closed
// connection does not state that.
func ConnectionText(err error) string {
	return strings.Replace(err.Error(), "driver: bad connection", "the server or the network closed it", 1)
}

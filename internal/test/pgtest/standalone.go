package pgtest

import (
	"errors"
	"net/url"
	"strconv"
)

// StartServer starts a server outside of a test, for the demo. It returns the URL of an empty database, and a function
// that stops the server and removes its data. The server also ends with the process.
func StartServer() (databaseURL string, stop func() error, err error) {
	dir, remove, err := folder()
	if err != nil {
		return "", nil, err
	}
	if err := start(dir); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, password), Path: "/postgres", RawQuery: "sslmode=disable",
		Host: host + ":" + strconv.Itoa(server.port)}
	return u.String(), func() error { return errors.Join(server.stop(), remove()) }, nil
}

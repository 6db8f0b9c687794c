package pgtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Encrypted starts a copy of d's server with TLS, and returns d on it. The certificate and its key
// are PEM. The server stops when the test ends.
func (d *Database) Encrypted(t testing.TB, certificate, key []byte) *Database {
	t.Helper()
	s := copyOf(t, d, func(data string) error {
		for name, text := range map[string][]byte{"server.crt": certificate, "server.key": key, "postgresql.auto.conf": []byte("ssl = on\n")} {
			path := filepath.Join(data, name)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
			if programs.cred == nil {
				continue
			}
			if err := os.Chown(path, int(programs.cred.Uid), int(programs.cred.Gid)); err != nil {
				return err
			}
		}
		return nil
	})
	return s.database(t, d)
}

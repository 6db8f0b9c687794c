package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// An authority is a CA of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // its certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &authority{certificate: certificate, key: key, file: filepath.Join(t.TempDir(), "ca.crt")}
	require.NoError(t, os.WriteFile(a.file, block("CERTIFICATE", der), 0o600))
	return a
}

// issue returns a server certificate for localhost.
func (a *authority) issue(t *testing.T, until time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, &private.PublicKey, a.key)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", secret)
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// TestTLS_InvalidCertificate_FailsWithoutRetry covers errors that waiting does not resolve.
func TestTLS_InvalidCertificate_FailsWithoutRetry(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t, "the database's CA"), newAuthority(t, "another CA")
	plain := pgtest.New(t)
	good := encrypted(t, plain, ca, time.Now().Add(time.Hour))
	expired := encrypted(t, plain, ca, time.Unix(1<<30, 0))
	dir := fixture.FileMap(t, map[string]string{"1_x.up.sql": "CREATE TABLE a AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"})
	for name, c := range map[string]struct {
		server     *pgtest.Database
		host, mode string
		ca         string
	}{
		"":                         {good, "localhost", "verify-full", ca.file},
		"tls-wrong-ca":             {good, "localhost", "verify-full", other.file},
		"tls-system-cas":           {good, "localhost", "verify-full", ""},
		"tls-wrong-name":           {good, "127.0.0.1", "verify-full", ca.file},
		"tls-expired":              {expired, "localhost", "verify-full", ca.file},
		"tls-none":                 {plain, "localhost", "verify-full", ca.file},
		"tls-no-ca-file":           {good, "localhost", "verify-full", filepath.Join(t.TempDir(), "001", "ca.crt")},
		"tls-ca-not-a-certificate": {good, "localhost", "verify-full", filepath.Join(dir, "1_x.up.sql")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := strings.Replace(c.server.URL(), "127.0.0.1:", c.host+":", 1)
			url = strings.Replace(url, "sslmode=disable", "sslmode="+c.mode+"&sslrootcert="+c.ca, 1)
			began := time.Now()
			out := call(t.Context(), "up", "--source", dir, "--database-url", url, "--wait-for-db", "1m")
			if name == "" {
				assert.Zero(t, out.code, out.err)
				assert.Equal(t, "true", c.server.Value(t, "SELECT ssl FROM a"))
				return
			}
			assert.Equal(t, 2, out.code, out.err)
			assert.Less(t, time.Since(began), time.Minute, "it does not wait")
			if c.server == expired { // the length of the line depends on the time zone
				out.err = regexp.MustCompile(`\n {8,}`).ReplaceAllString(out.err, " ")
			}
			golden(t, name, out.err)
		})
	}
}

func encrypted(t *testing.T, d *pgtest.Database, ca *authority, until time.Time) *pgtest.Database {
	t.Helper()
	certificate, key := ca.issue(t, until)
	return d.Encrypted(t, certificate, key)
}

package environment

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../../.."

func TestEnvironment_EveryFile_HasADatabase(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(root + "/chart/ci/*-values.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		if name == "disabled" {
			continue
		}
		assert.Regexp(t, `CREATE DATABASE "?`+name+`"? OWNER`, databases)
	}
}

func TestEnvironment_Manifest_CertificatesMatch(t *testing.T) {
	t.Parallel()
	text, err := render("shop", root, "localhost/postgres:a")
	require.NoError(t, err)
	objects := map[string]map[string]string{}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), len(text))
	for {
		var o unstructured.Unstructured
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		data, _, err := unstructured.NestedStringMap(o.Object, map[string]string{"Secret": "stringData", "ConfigMap": "data"}[o.GetKind()])
		require.NoError(t, err)
		objects[o.GetKind()+"/"+o.GetName()] = data
	}
	assert.Len(t, objects["ConfigMap/booking-migrations"], 10, "five migrations")
	assert.Contains(t, objects, "Pod/database")

	server := objects["Secret/database-server"]
	pair, err := tls.X509KeyPair([]byte(server["tls.crt"]), []byte(server["tls.key"]))
	require.NoError(t, err)
	authorities := x509.NewCertPool()
	require.True(t, authorities.AppendCertsFromPEM([]byte(objects["ConfigMap/database-ca"]["bundle.pem"])))
	for _, name := range []string{"database", "database.shop", "database.shop.svc"} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: authorities, DNSName: name})
		assert.NoError(t, err)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: authorities, DNSName: "elsewhere"})
	assert.Error(t, err)
}

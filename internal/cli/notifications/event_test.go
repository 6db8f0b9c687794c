package notifications

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/shiplock/shiplock/internal/notify"
	"github.com/shiplock/shiplock/internal/test/messages"
)

// serviceAccount is where Kubernetes mounts a pod's token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// newPod returns options with the files and the environment of a pod, and an API server that
// handles requests with handle.
func newPod(t *testing.T, handle http.HandlerFunc) (Options, *httptest.Server) {
	t.Helper()
	s := httptest.NewTLSServer(handle)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	root := t.TempDir()
	dir := filepath.Join(root, serviceAccount)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string]string{"token": "marked-token\n", "namespace": "shop", "ca.crt": string(ca)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return testOptions(func(o *Options) {
		o.KubernetesEvent, o.Root = true, root
		o.Getenv = environment(map[string]string{"KUBERNETES_SERVICE_HOST": u.Hostname(), "KUBERNETES_SERVICE_PORT": u.Port(), "HTTPS_PROXY": "http://127.0.0.1:1"})
	}), s
}

func TestEvent_Message_IsOnJobOrPod(t *testing.T) {
	t.Parallel()
	var event corev1.Event
	o, _ := newPod(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "POST /api/v1/namespaces/shop/events", r.Method+" "+r.URL.Path)
		assert.Equal(t, "Bearer marked-token", r.Header.Get("Authorization"))
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields() // as the API server does where it is strict
		event = corev1.Event{}
		assert.NoError(t, d.Decode(&event))
		w.WriteHeader(http.StatusCreated)
	})
	o.JobUID = "0f9a-job"
	require.NoError(t, o.CheckEvent())
	send := func(m notify.Message) {
		n, err := New(o)
		require.NoError(t, err)
		require.Empty(t, n.Deliver(t.Context(), m))
	}
	send(messages.Failure())
	assert.Equal(t, corev1.ObjectReference{APIVersion: "batch/v1", Kind: "Job", Name: "booking-shiplock", Namespace: "shop", UID: "0f9a-job"}, event.InvolvedObject)
	assert.Equal(t, "Warning MigrationFailed shiplock 1", strings.Join([]string{event.Type, event.Reason, event.Source.Component, "1"}, " "))
	assert.Equal(t, "booking-shiplock.", event.GenerateName)
	assert.Equal(t, "shop", event.Namespace)
	assert.True(t, messages.Failure().Ended.Equal(event.LastTimestamp.Time))
	assert.Contains(t, event.Message, "migration 0009_guest_accounts.up.sql failed and was rolled back; database is at version 8; postgres: ERROR: could not create")
	assert.Contains(t, event.Message, "; next: correct 0009")

	o.JobUID, o.PodUID = "", "77-pod"
	send(messages.Failure())
	assert.Equal(t, corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Name: "booking-shiplock-x7k2p", Namespace: "shop", UID: "77-pod"}, event.InvolvedObject)

	o.Success = true
	send(messages.Success())
	assert.Equal(t, "Normal MigrationSucceeded", event.Type+" "+event.Reason)
}

// Errors name the cause, and the token goes only to the API server.
func TestEvent_APIFailure_ReportsCause(t *testing.T) {
	t.Parallel()
	deliver := func(o Options) string {
		o.Timeout = 20 * time.Second
		n, err := New(o)
		require.NoError(t, err)
		errs := n.Deliver(t.Context(), messages.Failure())
		require.Len(t, errs, 1)
		assert.NotContains(t, errs[0].Error(), "marked-token")
		return errs[0].Error()
	}
	o, _ := newPod(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"kind":"Status","message":"events is forbidden: marked-token"}`)
	})
	assert.Contains(t, deliver(o), "may not create events in namespace shop (the chart's kubernetesEvents.enabled grants this permission)")

	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token was sent to another server") }))
	t.Cleanup(other.Close)
	o, _ = newPod(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusPermanentRedirect)
	})
	assert.Contains(t, deliver(o), "redirects are not followed")

	o, _ = newPod(t, func(http.ResponseWriter, *http.Request) { t.Error("the token was sent to an unverified server") })
	require.NoError(t, os.WriteFile(filepath.Join(o.Root, serviceAccount, "ca.crt"), unrelatedCA(t), 0o600))
	assert.Contains(t, deliver(o), "x509: certificate signed by unknown authority")

	o.Root = t.TempDir()
	assert.Contains(t, deliver(o), "the pod has no ServiceAccount token")
	assert.ErrorContains(t, o.CheckEvent(), "kubernetesEvents.enabled mounts one")
	o.Getenv = environment(nil)
	assert.Contains(t, deliver(o), "KUBERNETES_SERVICE_HOST is not set")
}

// unrelatedCA returns a CA certificate that did not sign the server certificate.
func unrelatedCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

package pgtest

import (
	"os"
	"strings"
	"testing"
)

// UnsetVariables unsets libpq's PG* variables of the environment for the rest of the test.
func UnsetVariables(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(k, "PG") {
			continue
		}
		if err := os.Unsetenv(k); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Setenv(k, v) })
	}
}

package cli_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/interrupt"
	"github.com/shiplock/shiplock/internal/test/fixture"
	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// urlWithoutPassword returns the database's URL without the password.
func urlWithoutPassword(d *pgtest.Database) string {
	return strings.Replace(d.URL(), ":"+url.UserPassword("", d.Password).String()[1:]+"@", "@", 1)
}

// changePassword changes the password of the owner on the server.
func changePassword(t *testing.T, d *pgtest.Database, password string) {
	t.Helper()
	d.Exec(t, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", pq.QuoteIdentifier(d.User), pq.QuoteLiteral(password)))
}

// A passwordSource is a source from which the password is read for each connection.
type passwordSource struct {
	flags []string
	set   func(password string)
}

func passwordSources(t *testing.T, d *pgtest.Database) map[string]passwordSource {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, mode os.FileMode) func(string) {
		return func(text string) {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path+".new", []byte(text), mode))
			require.NoError(t, os.Rename(path+".new", path)) // replaced atomically, as by an agent
		}
	}
	putURL := put("url", 0o400)
	put("token.sh", 0o700)("#!/bin/sh\necho call >>" + dir + "/calls\ncat " + dir + "/token\n")
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	pass := put("pass", 0o440)
	there := urlWithoutPassword(d)
	return map[string]passwordSource{
		"command": {[]string{"--database-url", there, "--password-command", dir + "/token.sh"}, put("token", 0o600)},
		"file":    {[]string{"--database-url", there, "--password-file", dir + "/password"}, put("password", 0o400)},
		"pass file": {[]string{"--database-url", there + "&passfile=" + url.QueryEscape(dir+"/pass")},
			func(p string) { pass("*:*:*:*:" + escape(p)) }},
		"URL file": {[]string{"--database-url-file", dir + "/url"}, func(p string) {
			there := *d
			there.Password = p
			putURL(there.URL() + "\n")
		}},
	}
}

// TestPassword_Rotated_ReadForEachConnection changes the password between the two sessions of exec, before
// and after the tool, as a vault does.
func TestPassword_Rotated_ReadForEachConnection(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"command", "file", "pass file", "URL file"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newToolFixture(t, "touch ready; wait_for go")
			b.Exec(t, "CREATE TABLE x ()")
			from := passwordSources(t, b.Database)[name]
			from.set(b.Password)
			args := append(append([]string{"exec"}, from.flags...), "--", "sh", filepath.Join(b.dir, "tool.sh"))
			stderr, done := background(t.Context(), args...)
			b.waitForFile("ready")
			changePassword(t, b.Database, "new password")
			from.set("new password")
			b.touch("go")
			require.Zero(t, <-done, stderr)
			assert.Equal(t, "succeeded|0|exit code 0|t", b.execHistory())
		})
	}
}

// TestPassword_Rejected_ReadOnceMore changes the password on the server shortly before the file changes.
func TestPassword_Rejected_ReadOnceMore(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"file", "pass file", "URL file"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
			var from passwordSource
			password := w.Password
			there := relay(t, w.Database, func() { from.set(password) })
			from = passwordSources(t, there)[name]
			from.set("the old one")
			out := call(t.Context(), append([]string{"up", "--source", w.dir}, from.flags...)...)
			assert.Zero(t, out.code, out.err)
		})
	}
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	from := passwordSources(t, w.Database)["command"]
	from.set("wrong-marked")
	out := call(t.Context(), append([]string{"up", "--source", w.dir}, from.flags...)...)
	assert.Equal(t, 2, out.code, out.err)
	assert.NotContains(t, out.err, "marked")
	golden(t, "token-refused", out.err)
	calls, err := os.ReadFile(filepath.Join(filepath.Dir(from.flags[3]), "calls"))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(calls), "call"), "the command must run exactly once more")
}

// relay forwards connections to the database and calls ended when the first connection has ended.
func relay(t *testing.T, d *pgtest.Database, ended func()) *pgtest.Database {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var once sync.Once
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", net.JoinHostPort(d.Host, strconv.Itoa(d.Port)))
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			}()
			go func() {
				_, _ = io.Copy(client, server) // the server closes a rejected connection
				once.Do(ended)
				_ = client.Close()
			}()
		}
	}()
	copied := *d
	copied.Port = l.Addr().(*net.TCPAddr).Port
	return &copied
}

// TestPasswordFile_Missing_WaitedFor covers a sidecar agent that writes the file later.
func TestPasswordFile_Missing_WaitedFor(t *testing.T) {
	t.Parallel()
	for name, logged := range map[string]struct{ up, wait []string }{ // message, attribute, value
		"file":     {[]string{"waiting for the database", "reason", "does not exist"}, []string{"waiting", "for", "does not exist"}},
		"URL file": {[]string{"waiting for the database URL file", "reason", "does not exist"}, []string{"waiting for the database URL file", "reason", "does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
			from := passwordSources(t, w.Database)[name]
			stderr, done := background(t.Context(), append([]string{"up", "--source", w.dir}, from.flags...)...)
			stderr.Wait(t, logged.up[0], logged.up[1:]...)
			from.set(w.Password)
			assert.Zero(t, <-done, stderr)

			require.NoError(t, os.Remove(from.flags[len(from.flags)-1]))
			stderr, done = background(t.Context(), append([]string{"wait", "--source", w.dir}, from.flags...)...)
			stderr.Wait(t, logged.wait[0], logged.wait[1:]...)
			from.set(w.Password)
			assert.Zero(t, <-done, stderr)
		})
	}
}

func TestPassword_Unavailable_ReportMatchesGolden(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, map[string]string{"1_a.up.sql": "SELECT 1"})
	dir := fixture.FileMap(t, map[string]string{"empty": "\n", "broken": "mysql://marked@h/d"})
	there := []string{"--database-url", urlWithoutPassword(w.Database)}
	script := filepath.Join(dir, "fetch-token")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho marked\necho first >&2\necho \"AccessDenied: token='marked' for role x\" >&2\nexit 254\n"), 0o700))
	for name, c := range map[string]struct {
		code  int
		flags []string
	}{
		"password-command-failed":  {2, append([]string{"--wait-for-db", "0s", "--password-command", script + " --secret marked"}, there...)},
		"password-command-missing": {2, append([]string{"--password-command", "aws rds generate-db-auth-token"}, there...)},
		"password-file-missing":    {3, append([]string{"--wait-for-db", "0s", "--password-file", "/vault/secrets/database-password"}, there...)},
		"password-file-empty":      {2, append([]string{"--password-file", filepath.Join(dir, "empty")}, there...)},
		"url-file-missing":         {3, []string{"--wait-for-db", "0s", "--database-url-file", "/vault/secrets/database-url"}},
		"url-file-broken":          {2, []string{"--database-url-file", filepath.Join(dir, "broken")}},
		"password-twice":           {2, []string{"--password-file", "/vault/secrets/database-password", "--database-url", w.URL()}},
	} {
		if name == "password-command-missing" {
			c.flags[1] = strings.Replace(c.flags[1], "aws", "no-such-aws", 1)
		}
		for _, command := range []string{"up", "status", "plan", "wait"} {
			flags := c.flags
			if command == "wait" {
				if flags[0] == "--wait-for-db" {
					continue // wait has no time limit
				}
			}
			out := call(t.Context(), append([]string{command, "--source", w.dir, "--log-level", "debug"}, flags...)...)
			assert.Equal(t, c.code, out.code, "%s: %s", name, out.err)
			assert.NotContains(t, out.err, "marked")
			if command == "up" {
				golden(t, name, strings.ReplaceAll(out.err, os.Getenv("PATH"), "PATH"))
			}
		}
	}
}

// TestUp_SilentServer_StoppedBySignal uses a server that accepts the connection and never responds, like a
// load balancer without a backend.
func TestUp_SilentServer_StoppedBySignal(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case accepted <- c:
			default:
			}
		}
	}()
	ctx, cancel := context.WithCancelCause(t.Context())
	stderr, done := background(ctx, "up", "--source", fixture.FileMap(t, map[string]string{"1_a.up.sql": "SELECT 1"}), "--database-url", "postgres://u:p@"+l.Addr().String()+"/d?sslmode=disable")
	<-accepted
	cancel(&interrupt.SignalError{Signal: os.Interrupt})
	select {
	case code := <-done:
		assert.Equal(t, 130, code, stderr)
	case <-time.After(time.Minute):
		t.Fatal("up did not stop")
	}
}

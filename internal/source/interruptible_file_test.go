package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A slowFS is a file system whose reads block until they are released.
type slowFS struct {
	fstest.MapFS
	begun   chan struct{}
	release chan struct{}
}

func (s slowFS) Open(name string) (fs.File, error) {
	f, err := s.MapFS.Open(name)
	if err != nil || name == "." {
		return f, err
	}
	return slowFile{f, s}, nil
}

type slowFile struct {
	fs.File
	fs slowFS
}

func (f slowFile) Read(p []byte) (int, error) {
	f.fs.begun <- struct{}{}
	<-f.fs.release
	return f.File.Read(p)
}

var errStopped = errors.New("stopped")

// TestCatalog_ReadBlocks_EndsWithContext covers all methods that read a file.
func TestCatalog_ReadBlocks_EndsWithContext(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(c *Catalog) error{
		"digest": func(c *Catalog) error { _, err := c.Digest(); return err },
		"first digest": func(c *Catalog) error {
			c.TakeDigest()
			_, err := c.InitialDigest()
			return err
		},
		"checksum":     func(c *Catalog) error { _, err := c.Checksum(1); return err },
		"directives":   func(c *Catalog) error { _, err := c.Directives(1); return err },
		"text":         func(c *Catalog) error { _, err := c.Text("1_a.up.sql", 100); return err },
		"line endings": func(c *Catalog) error { _, _, err := c.MatchLineEndings(1, "", ""); return err },
		"of a union":   func(c *Catalog) error { _, err := c.WithHistory(nil).Checksum(1); return err },
		"file": func(c *Catalog) error {
			f, err := c.OpenFile("1_a.up.sql")
			if err != nil {
				return err
			}
			_, err = io.ReadAll(f)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := slowFS{fstest.MapFS{"1_a.up.sql": {Data: []byte("SELECT 1;\n")}}, make(chan struct{}, 100), make(chan struct{})}
			t.Cleanup(func() { close(slow.release) })
			c, err := Read(slow, "there", FailUnrecognized)
			require.NoError(t, err)
			ctx, stop := context.WithCancelCause(t.Context())
			c.ctx = ctx
			done := make(chan error, 1)
			go func() { done <- read(c) }()
			<-slow.begun
			stop(errStopped)
			err = <-done
			require.ErrorIs(t, err, errStopped)
			var interrupted *sqlfile.InterruptedError
			require.ErrorAs(t, err, &interrupted)
			var unreadable *UnreadableError
			assert.NotErrorAs(t, err, &unreadable, "the file is not to blame")
		})
	}
}

// TestCatalog_ContextEnded_StillReads checks that responsive files can be read to record a stopped run.
func TestCatalog_ContextEnded_StillReads(t *testing.T) {
	t.Parallel()
	c, err := Read(fstest.MapFS{"1_a.up.sql": {Data: []byte("SELECT 1;\n")}}, "there", FailUnrecognized)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c.ctx = ctx
	for range 100 {
		text, err := c.Text("1_a.up.sql", 100)
		require.NoError(t, err)
		require.Equal(t, "SELECT 1;\n", text)
	}
}

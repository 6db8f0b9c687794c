package credentials

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	for text, want := range map[string]string{"a b\n": "a b", "x\r\n": "x", "x": "x", "x \n": "x "} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o400))
		l, err := PasswordFile(file).Login(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, l.Password)
		require.NoError(t, os.Remove(file))
	}
	for text, want := range map[string]string{"": "contains nothing", "\n": "contains nothing", "marked\nmore\n": "contains 2 lines", "marked\n\n": "contains 2 lines"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := PasswordFile(file).Login(t.Context())
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, file)
		assert.NotContains(t, err.Error(), "marked")
	}
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	_, err := PasswordFile(pipe).Login(t.Context())
	require.ErrorContains(t, err, "contains nothing", "the pipe has no writer")
	var e *Error
	_, err = PasswordFile(filepath.Join(dir, "gone")).Login(t.Context())
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Absent)
	_, err = PasswordFile(dir).Login(t.Context())
	require.ErrorAs(t, err, &e)
	assert.False(t, e.Absent)
	assert.Contains(t, e.Error(), "is a directory")
}

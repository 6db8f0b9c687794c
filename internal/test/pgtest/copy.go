package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// copyFiles replaces pg_basebackup for servers that do not include it. It makes an online backup
// of the files, which the copy replays when it starts. follow is pg_basebackup's -R.
func copyFiles(t testing.TB, d *Database, to string, follow bool) {
	t.Helper()
	db := open(t, d.server.keywords(superuser, password, "postgres"))
	defer db.Close()
	session, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer session.Close()
	begin, end := "SELECT pg_backup_start('copy', true)", "SELECT labelfile FROM pg_backup_stop(false)"
	if d.Major(t) < 15 {
		begin, end = "SELECT pg_start_backup('copy', true, false)", "SELECT labelfile FROM pg_stop_backup(false, false)"
	}
	_, err = session.ExecContext(t.Context(), begin)
	require.NoError(t, err)
	var from, label string
	require.NoError(t, session.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&from))
	// cp fails for files that are removed meanwhile, such as temporary ones. The WAL has their changes.
	copyFolder := func(from, to string) {
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Logf("cp: %v\n%s", err, out)
		}
	}
	copyFolder(from, to)
	require.NoError(t, session.QueryRowContext(t.Context(), end).Scan(&label))
	require.NoError(t, os.RemoveAll(filepath.Join(to, "pg_wal")))
	copyFolder(filepath.Join(from, "pg_wal"), filepath.Join(to, "pg_wal"))
	for _, name := range []string{"postmaster.pid", "postmaster.opts"} {
		if err := os.Remove(filepath.Join(to, name)); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
	write := func(name, text string) {
		path := filepath.Join(to, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		if programs.cred != nil {
			require.NoError(t, os.Chown(path, int(programs.cred.Uid), int(programs.cred.Gid)))
		}
	}
	write("backup_label", label)
	if follow {
		write("standby.signal", "")
		require.NoError(t, configure(to, "primary_conninfo = '"+strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(d.server.keywords(superuser, password, "postgres"))+"'"))
	}
}

// configure adds settings to the configuration of a data folder.
func configure(data string, settings ...string) error {
	f, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strings.Join(settings, "\n") + "\n")
	return err
}

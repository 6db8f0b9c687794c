package pgtest

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// memory is Linux's file system in memory. Each test creates and deletes several hundred files of a database. ext4 checks
// every inode that was deleted in the last five seconds before it reuses one (recently_deleted in fs/ext4/ialloc.c), so
// that the tests need nearly twice the processor time on it.
const memory = "/dev/shm"

// minFree is the minimum free space of memory: several packages' servers at a time, each with a gigabyte of WAL and another of data.
const minFree = 6 << 30

// folder creates the folder of the server's data and returns a function that removes it. The folder is in TMPDIR if that
// is set, in memory if there is enough space, and otherwise in the default folder of temporary files.
func folder() (dir string, remove func() error, err error) {
	if os.Getenv("TMPDIR") == "" && hasSpace(memory) {
		if dir, remove, err = createInMemory(memory); err == nil {
			return dir, remove, nil
		}
	}
	if dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

func hasSpace(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && fs.Bavail*uint64(fs.Bsize) >= minFree
}

// createInMemory creates a folder in memory. It first removes the folders of killed tests, which would use memory until
// a restart of the machine. A folder is in use while its lock is held; the lock ends with the process.
func createInMemory(parent string) (dir string, remove func() error, err error) {
	const prefix, lock = "shiplock-pgtest-", ".lock"
	left, err := filepath.Glob(filepath.Join(parent, prefix+"*"+lock))
	if err != nil {
		return "", nil, err
	}
	for _, name := range left {
		if held, err := lockFile(name); err == nil {
			_ = errors.Join(os.RemoveAll(name[:len(name)-len(lock)]), os.Remove(name), held.Close())
		}
	}
	file, err := os.CreateTemp(parent, prefix+"*"+lock)
	if err != nil {
		return "", nil, err
	}
	name := file.Name()
	held, err := lockFile(name)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", nil, err
	}
	dir = name[:len(name)-len(lock)]
	remove = func() error { return errors.Join(os.RemoveAll(dir), os.Remove(name), held.Close()) }
	return dir, remove, os.Mkdir(dir, 0o700)
}

// lockFile opens a file and locks it. It fails if another process holds the lock.
func lockFile(name string) (*os.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

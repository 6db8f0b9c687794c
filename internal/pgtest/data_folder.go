package pgtest

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// memory is a file system in memory, where Linux has one. A database a test is some hundred files made and deleted, and
// for five seconds ext4 looks at every inode that was deleted before it takes one (recently_deleted in fs/ext4/ialloc.c):
// on it the tests need nearly twice the processor time.
const memory = "/dev/shm"

// roomy is what memory must have left: some packages' servers at a time, each with a gigabyte of WAL and as much of data.
const minFree = 6 << 30

// folder makes the folder of the server's data, and returns how to remove it: in TMPDIR if that is set, in memory if
// there is room, else where temporary files are.
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

// inMemory also removes what killed tests have left there: it would hold memory until the machine's end. A folder is in
// use as long as somebody has its lock, which ends with the process.
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

// locked opens a file and has its lock, or fails if somebody else has.
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

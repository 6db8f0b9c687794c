package source

import (
	"errors"
	"io/fs"
	"syscall"
)

// A diskDirectory is the descriptor of a directory. Its files are read with three system
// calls each: os.File makes four more, for pipes and sockets, and resolves the path of the
// directory each time. ADR 24 has the figures.
type diskDirectory int

// workingDirectory is AT_FDCWD of openat(2).
const workingDirectory diskDirectory = -0x64

func openDiskDirectory(path string) (diskDirectory, error) {
	fd, err := workingDirectory.open(path, syscall.O_DIRECTORY)
	return diskDirectory(fd), err
}

func (d diskDirectory) open(name string, flags int) (fd int, err error) {
	fd, err = retryInterrupted(func() (int, error) {
		return syscall.Openat(int(d), name, syscall.O_RDONLY|syscall.O_CLOEXEC|flags, 0)
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

func (d diskDirectory) read(name string, buf []byte) (n int, err error) {
	fd, err := d.open(name, 0)
	if err != nil {
		return 0, err
	}
	for n < len(buf) {
		more, err := retryInterrupted(func() (int, error) { return syscall.Read(fd, buf[n:]) })
		if err != nil {
			return n, errors.Join(err, syscall.Close(fd))
		}
		if more == 0 {
			break
		}
		n += more
	}
	return n, syscall.Close(fd)
}

func (d diskDirectory) Close() error { return syscall.Close(int(d)) }

// retryInterrupted repeats a system call that a signal has interrupted.
func retryInterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

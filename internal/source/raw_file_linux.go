package source

import (
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
)

// A rawFile is a regular file without the overhead that os.File has for pipes and sockets:
// checking whether it blocks (four times) and registering it with the poller, which
// refuses it. For ten thousand files that is half of the time to read them.
type rawFile struct{ fd atomic.Int32 }

// closed marks a closed file, whose descriptor may already belong to another file.
const closed = -1

// A rawDirectory opens files by name, so that the path of the directory is resolved only once.
type rawDirectory int

// workingDirectory is AT_FDCWD of openat(2).
const workingDirectory rawDirectory = -0x64

func openRaw(path string) (io.ReadCloser, error) { return workingDirectory.open(path) }

func openDirectory(path string) (rawDirectory, error) {
	fd, err := openAt(workingDirectory, path, syscall.O_DIRECTORY)
	return rawDirectory(fd), err
}

func (f rawDirectory) open(name string) (io.ReadCloser, error) {
	fd, err := openAt(f, name, 0)
	if err != nil {
		return nil, err
	}
	file := &rawFile{}
	file.fd.Store(int32(fd))
	return file, nil
}

func (f rawDirectory) Close() error { return syscall.Close(int(f)) }

func openAt(dir rawDirectory, name string, flags int) (fd int, err error) {
	for {
		fd, err = syscall.Openat(int(dir), name, syscall.O_RDONLY|syscall.O_CLOEXEC|flags, 0)
		switch err {
		case nil:
			return fd, nil
		case syscall.EINTR:
			continue
		}
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
}

func (f *rawFile) Read(p []byte) (int, error) {
	for {
		fd := f.fd.Load()
		if fd == closed {
			return 0, fs.ErrClosed
		}
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Close returns fs.ErrClosed on the second call.
func (f *rawFile) Close() error {
	fd := f.fd.Swap(closed)
	if fd == closed {
		return fs.ErrClosed
	}
	return syscall.Close(int(fd))
}

// ownerOf returns the owner of a file as the end of a sentence.
func ownerOf(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", the owner is user %d, group %d", stat.Uid, stat.Gid)
}

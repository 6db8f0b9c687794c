//go:build !linux

package source

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A rawDirectory is the path of a directory.
type rawDirectory string

func openRaw(path string) (io.ReadCloser, error) { return os.Open(path) }

func openDirectory(path string) (rawDirectory, error) { return rawDirectory(path), nil }

func (f rawDirectory) open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), name))
}

func (rawDirectory) Close() error { return nil }

func ownerOf(fs.FileInfo) string { return "" }

//go:build !linux

package source

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// rawFolder is a folder's path.
type rawFolder string

func openRaw(path string) (io.ReadCloser, error) { return os.Open(path) }

func openFolder(path string) (rawFolder, error) { return rawFolder(path), nil }

func (f rawFolder) open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), name))
}

func (rawFolder) Close() error { return nil }

func ownerOf(fs.FileInfo) string { return "" }

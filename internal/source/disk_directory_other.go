//go:build !linux

package source

import "os"

func openDiskDirectory(path string) (fsDirectory, error) { return fsDirectory{os.DirFS(path)}, nil }

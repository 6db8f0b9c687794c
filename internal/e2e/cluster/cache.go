package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// CacheDir is where everything that only the first run pays for is kept, and the clusters' kubeconfigs.
func CacheDir() string {
	if dir := os.Getenv("SHIPLOCK_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(os.Getenv("HOME"), ".cache")), "shiplock")
}

// lock holds the file at path against other processes until the function it returns is called. The kernel
// lets go of it when we die.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { file.Close() }, nil
}

// checkout finds the folder of this project's source above the working directory.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, nodeBuild)); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s is not above the working directory: run this inside the checkout", nodeBuild)
}

package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// CacheDir returns the folder of cached builds and of the clusters' kubeconfigs.
func CacheDir() string {
	if dir := os.Getenv("SHIPLOCK_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(os.Getenv("HOME"), ".cache")), "shiplock")
}

// lock locks the file at path against other processes until the returned function is called. The kernel
// releases the lock when the process ends.
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

// checkout returns the repository's root, above the working directory.
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

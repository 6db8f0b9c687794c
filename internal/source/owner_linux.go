package source

import (
	"fmt"
	"io/fs"
	"syscall"
)

// ownerOf returns the owner of a file as the end of a sentence.
func ownerOf(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", the owner is user %d, group %d", stat.Uid, stat.Gid)
}

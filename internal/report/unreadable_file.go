package report

import (
	"errors"
	"io/fs"

	"github.com/shiplock/shiplock/internal/source"
)

// unreadableFileReport is for migrations that cannot be read. Only what a file system may
// do at the next try, such as a network's one, is worth another.
func unreadableFileReport(err error, e *source.UnreadableError) Report {
	c := Report{Code: ExitInternal, Title: e.Error()}
	switch {
	case e.Folder:
		c.Code = ExitUsage
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		c.Code = ExitRefused
		c.Title = "refused: " + c.Title
	}
	c.add("why", e.Access)
	c.add("state", databaseState(err))
	switch {
	case errors.Is(err, fs.ErrPermission):
		c.add("next", "let this user read the migrations: chmod -R a+rX on their folder before the image is built, or defaultMode: 0444 for a ConfigMap's volume")
	case errors.Is(err, fs.ErrNotExist):
		c.add("next", "restore the file, or deploy again if the folder was replaced while the migrator ran")
	case e.Folder:
		c.add("next", "correct --source or SHIPLOCK_SOURCE")
	default:
		c.add("next", "check the volume that holds the migrations, and deploy again")
	}
	return c
}

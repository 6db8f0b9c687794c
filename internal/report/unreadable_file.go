package report

import (
	"errors"
	"io/fs"

	"github.com/shiplock/shiplock/internal/source"
)

// unreadableFileReport describes migrations that cannot be read. A retry helps only for
// errors that may be transient, such as those of a network file system.
func unreadableFileReport(err error, e *source.UnreadableError) Report {
	c := Report{Code: ExitInternal, Title: e.Error()}
	switch {
	case e.Directory:
		c.Code = ExitUsage
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		c.Code = ExitRefused
		c.Title = "refused: " + c.Title
	}
	if errors.Is(err, source.ErrNotDirectory) {
		c.Title += "; set --source to the directory that contains the .sql files"
	}
	c.add("why", e.Access)
	c.add("state", databaseState(err))
	switch {
	case errors.Is(err, fs.ErrPermission):
		c.add("next", "make the migrations readable for this user: run chmod -R a+rX on their directory before the image is built, or set defaultMode: 0444 for a ConfigMap volume")
	case errors.Is(err, fs.ErrNotExist):
		c.add("next", "restore the file, or deploy again if the directory was replaced while the migrator ran")
	case e.Directory:
		c.add("next", "correct --source or SHIPLOCK_SOURCE")
	default:
		c.add("next", "check the volume that holds the migrations, and deploy again")
	}
	return c
}

// invalidNameReport describes a file or a directory that is not a migration.
func invalidNameReport(e *source.NameError) Report {
	why := e.Error()
	if e.Unrecognized {
		why += ", or set --unrecognized-files ignore"
	}
	return refusedReport("invalid migrations directory", why, "fix the file name and deploy again")
}

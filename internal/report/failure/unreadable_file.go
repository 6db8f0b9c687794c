package failure

import (
	"errors"
	"io/fs"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/source"
)

// unreadableFileReport describes migrations that cannot be read. A retry helps only for
// errors that may be transient, such as those of a network file system.
func unreadableFileReport(err error, e *source.UnreadableError) report.Report {
	c := report.Report{Code: report.ExitInternal, Title: e.Error()}
	switch {
	case e.Directory:
		c.Code = report.ExitUsage
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		c.Code = report.ExitRefused
		c.Title = "refused: " + c.Title
	}
	if errors.Is(err, source.ErrNotDirectory) {
		c.Title += "; set --source to the directory that contains the .sql files"
	}
	c.Add("why", e.Access)
	c.Add("state", databaseState(err))
	c.Add("next", advice.UnreadableFile(e))
	return c
}

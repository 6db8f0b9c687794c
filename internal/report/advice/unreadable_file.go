package advice

import (
	"errors"
	"io/fs"

	"github.com/shiplock/shiplock/internal/source"
)

// UnreadableFile returns the next step after a migration file that cannot be read.
func UnreadableFile(e *source.UnreadableError) string {
	switch {
	case errors.Is(e, fs.ErrPermission):
		return "make the migrations readable for this user: run chmod -R a+rX on their directory before the image is built, or set defaultMode: 0444 for a ConfigMap volume"
	case errors.Is(e, fs.ErrNotExist):
		return "restore the file, or deploy again if the directory was replaced while the migrator ran"
	case e.Directory:
		return "correct --source or SHIPLOCK_SOURCE"
	}
	return "check the volume that holds the migrations, and deploy again"
}

package source

// A Direction is that of a migration's file.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// A Migration is one version: its up file and, if there is one, its down file.
type Migration struct {
	Version uint
	Name    string
	Up      string // file name within the catalog's directory; empty if there is none
	Down    string
	// HistoryOnly is set for a migration that has no file, only rows in the history table; see WithHistory.
	HistoryOnly bool
	// NoDown is why Down is empty, if not because there is no file.
	NoDown       string
	Irreversible bool // declared by the up file; set for applied migrations
}

// File returns the name of the file of a direction; empty if there is none.
func (m Migration) File(d Direction) string {
	if d == Down {
		return m.Down
	}
	return m.Up
}

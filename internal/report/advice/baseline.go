package advice

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/state"
)

// Rehearsal returns the cause of a refused rehearsal or baseline and the advice.
func Rehearsal(r *rehearsal.Refusal) (why, next string) {
	switch r.Cause {
	case rehearsal.UnknownStart:
		return "--from must be the version of one of the files", "specify the version of one of the files, or omit --from to start with the first"
	case rehearsal.UnknownBaseline:
		return "the schema can be compared only with a version that the files have", "specify the version of one of the files, or 0 for a database before its first migration"
	case rehearsal.Dirty:
		return "a migration was partially applied, so the schema is not at any version", "migrator repair --help"
	case rehearsal.HasVersion:
		return "baseline is for databases without a version", "run migrator status to list the applied migrations; to change the version, run migrator down or migrator up"
	case rehearsal.OtherNewestRecorded:
		return "the row of the version table was deleted, and the history table shows which version it had", baseline(r.At)
	}
	return "", ""
}

// EmptyTable returns the cause of a version table that lost its row and the advice.
func EmptyTable(e *state.EmptyTableError) (why, next string) {
	switch {
	case e.Missing:
		why = "golang-migrate drops its table only together with the history table, so the version table was dropped or renamed; every migration would run a second time"
	case e.Object != "":
		why = fmt.Sprintf("the schema still has %s, so the table was emptied and the migrations were not rolled back; every migration would run a second time", e.Object)
	default:
		why = "the catalogs do not show whether another tool rolled the migrations back or the table was emptied; if it was emptied, every migration would run a second time"
	}
	return why, baseline(e.Newest)
}

// baseline returns how to set the version of a database whose version table lost it.
func baseline(newest int) string {
	return fmt.Sprintf("if the schema is at version %[1]d: migrator baseline --version %[1]d --scratch-url URL, which compares the schema first (or --unverified)\n"+
		"if every migration was rolled back: migrator baseline --version 0 --scratch-url URL (or --unverified)", newest)
}

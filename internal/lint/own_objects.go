package lint

// OwnObjects are the objects that the statements of a rollback create themselves, so that dropping
// them is not a data loss.
type OwnObjects struct {
	changes map[string][]bool // by statement text
	Tables  []string          // at the end of the file
}

// record stores whether a change affects only objects that the statements created. If the statement
// occurs twice, both must.
func (o *OwnObjects) record(text string, i int, own bool) {
	if known := o.changes[text]; i < len(known) {
		known[i] = known[i] && own
	} else {
		o.changes[text] = append(known, own)
	}
}

// Has reports whether a change of a statement affects only objects that the statements created.
func (o *OwnObjects) Has(text string, i int) bool {
	return i < len(o.changes[text]) && o.changes[text][i]
}

package postgres

// CountStatements reads a step's file as a run would, and says how many statements it has and
// whether they are one transaction. Errors are *ScriptError.
func (s Step) CountStatements() (statements int, transactional bool, err error) {
	script, err := loadFile(s.File, s.Open)
	if err != nil {
		return 0, false, err
	}
	return script.Count(), script.Transactional, nil
}

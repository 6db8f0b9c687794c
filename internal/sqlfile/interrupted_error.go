package sqlfile

// InterruptedError says that a file was not read to its end because the program is to
// stop, and not because of the file.
type InterruptedError struct{ Err error }

func (e *InterruptedError) Error() string { return e.Err.Error() }

func (e *InterruptedError) Unwrap() error { return e.Err }

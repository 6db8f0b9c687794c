package sqlfile

// An InterruptedError reports that reading a file was interrupted because the program is
// stopping, not because of the file.
type InterruptedError struct{ Err error }

func (e *InterruptedError) Error() string { return e.Err.Error() }

func (e *InterruptedError) Unwrap() error { return e.Err }

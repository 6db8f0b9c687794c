package script

import (
	"errors"
	"io"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// A BatchReader reads the batches of a script that runs in one transaction, one after the other.
// A streamed script is read from its file. Its data of a COPY must be read before the next batch.
type BatchReader struct {
	batch  Batch
	err    error
	rest   []Batch // of a script in memory
	stream *streamBatches
	file   io.Closer // of a streamed script, until the last batch
}

// ReadBatches returns a reader of the script's batches. The caller must close it.
func (s *Script) ReadBatches() *BatchReader {
	if s.Stream == nil {
		return &BatchReader{rest: s.Batches(0, len(s.Statements), 0, len(s.SQL))}
	}
	file, err := s.Stream.Open()
	if err != nil {
		return &BatchReader{err: fileError(s.Name, err)}
	}
	return &BatchReader{file: file, stream: &streamBatches{script: s, r: sqlfile.NewReader(file)}}
}

// Next reads the next batch. It returns false after the last one and after an error; see Err.
func (r *BatchReader) Next() bool {
	switch {
	case len(r.rest) > 0:
		r.batch, r.rest = r.rest[0], r.rest[1:]
		return true
	case r.file == nil:
		return false
	}
	r.batch, r.err = r.stream.next()
	if r.err == nil {
		return true
	}
	if errors.Is(r.err, io.EOF) {
		r.err = nil
	}
	r.Close()
	return false
}

// Batch returns the batch that Next has read.
func (r *BatchReader) Batch() Batch { return r.batch }

// Err returns the error that ended the batches. Errors are *ScriptError, or those of the file system.
func (r *BatchReader) Err() error { return r.err }

// Close closes the file of a streamed script. An error is that of Err, unless there is one already.
func (r *BatchReader) Close() {
	if r.file == nil {
		return
	}
	err := r.file.Close()
	if r.file = nil; err != nil && r.err == nil {
		r.err = fileError(r.stream.script.Name, err)
	}
}

package subprocess

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// streams are the output pipes of a program. They are created here, because os/exec would
// wait for every process that keeps them open, which may be a daemon.
type streams struct {
	ends    []*stream
	running sync.WaitGroup
}

type stream struct {
	read, write *os.File
	to          io.Writer
	lines       *lineWriter
}

func newStreams(cmd *exec.Cmd, stdout, stderr io.Writer, last *lastLines) (*streams, error) {
	s := &streams{}
	for _, to := range []io.Writer{stdout, stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, s.abandon(err)
		}
		s.ends = append(s.ends, &stream{read: r, write: w, to: to, lines: &lineWriter{to: last}})
	}
	cmd.Stdout, cmd.Stderr = s.ends[0].write, s.ends[1].write
	return s, nil
}

// abandon closes everything and returns err.
func (s *streams) abandon(err error) error {
	for _, e := range s.ends {
		err = errors.Join(err, e.write.Close(), e.read.Close())
	}
	return err
}

// copy starts copying after the program has started.
func (s *streams) copy() {
	for _, e := range s.ends {
		_ = e.write.Close()
		s.running.Go(e.copy)
	}
}

func (e *stream) copy() {
	defer e.read.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := e.read.Read(buf)
		e.lines.write(buf[:n])
		if n > 0 && e.to != nil {
			if _, werr := e.to.Write(buf[:n]); werr != nil {
				e.to = nil // the reader is gone; the program continues
			}
		}
		if err != nil {
			e.lines.flush()
			if held, ok := e.to.(interface{ Flush() error }); ok {
				_ = held.Flush()
			}
			return
		}
	}
}

// finish waits for the rest of the output, but not for a process that has left the group
// and keeps the pipe open, such as a daemon.
func (s *streams) finish() {
	for _, e := range s.ends {
		_ = e.read.SetReadDeadline(time.Now().Add(time.Second))
	}
	s.running.Wait()
}

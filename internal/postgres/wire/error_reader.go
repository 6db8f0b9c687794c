package wire

import (
	"bufio"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// maxErrorResponse is the length above which lib/pq mistakes an error for text that precedes the
// protocol and closes the connection. A deeply recursive function produces such an error: its
// context has a line for each call.
const maxErrorResponse = 30_000

// Maximum lengths of the fields of an error. All fields together stay below maxErrorResponse.
const (
	maxField   = 4_000
	fieldHead  = 3_000
	fieldTail  = 800
	shortField = 500 // names, codes and positions
)

// A FinalError is the server's error at the end of a session, for which lib/pq returns only "bad
// connection".
type FinalError struct{ atomic.Pointer[pq.Error] }

// WithErrors returns a connector whose connections are read through an errorReader. It stores the
// error that ends a session in final.
func WithErrors(c driver.Connector, final *FinalError) driver.Connector {
	return errorConnector{c, final}
}

// errorConnector opens connections that are read through an errorReader.
type errorConnector struct {
	driver.Connector
	final *FinalError
}

func (c errorConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err == nil {
		c.final.Store(nil)
		readErrors(conn, c.final)
	}
	return conn, err
}

// readErrors places an errorReader between lib/pq and its connection, above TLS. lib/pq has no hook
// for this, so the reader in its struct is replaced. It reports whether the field was found; see
// ADR 19.
func readErrors(conn driver.Conn, final *FinalError) bool {
	v := reflect.ValueOf(conn)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return false
	}
	field := v.Elem().FieldByName("buf")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*bufio.Reader]() {
		return false
	}
	buf := (**bufio.Reader)(unsafe.Pointer(field.UnsafeAddr()))
	*buf = bufio.NewReader(&errorReader{from: *buf, final: final})
	return true
}

// An errorReader reads the server's messages (protocol, "Message Formats"). It shortens errors that
// are too long for lib/pq, and stores the error that ends the session.
type errorReader struct {
	from        *bufio.Reader
	final       *FinalError
	passThrough int    // remaining bytes of a message that are passed on unchanged
	ready       []byte // rewritten message
}

func (r *errorReader) Read(p []byte) (int, error) {
	if r.passThrough == 0 && len(r.ready) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if len(r.ready) > 0 {
		n := copy(p, r.ready)
		r.ready = r.ready[n:]
		return n, nil
	}
	n, err := r.from.Read(p[:min(len(p), r.passThrough)])
	r.passThrough -= n
	return n, err
}

// next reads the header of a message, and all of an error or notice.
func (r *errorReader) next() error {
	header, err := r.from.Peek(5)
	if err != nil {
		if len(header) > 0 && errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	kind, length := header[0], int(binary.BigEndian.Uint32(header[1:]))
	if kind != 'E' && kind != 'N' || length < 4 {
		r.passThrough = 1 + max(length, 4)
		return nil
	}
	_, _ = r.from.Discard(5)
	body, err := readFields(r.from, length-4)
	if err != nil {
		return err
	}
	r.keepFinalError(kind, body)
	r.ready = binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	r.ready = append(r.ready, body...)
	return nil
}

// keepFinalError stores an error that ends the session. A server that stops immediately, or has
// crashed, reports it as a warning.
func (r *errorReader) keepFinalError(kind byte, body []byte) {
	e := parseFields(body)
	if e.Severity == pqerror.SeverityFatal || e.Severity == pqerror.SeverityPanic ||
		kind == 'N' && (e.Code == pqerror.CrashShutdown || e.Code == pqerror.AdminShutdown) {
		r.final.Store(e)
	}
}

// parseFields reads the fields of an error that Shiplock reports. The severity is the untranslated
// one.
func parseFields(body []byte) *pq.Error {
	e := &pq.Error{}
	for len(body) > 1 {
		value, rest, found := strings.Cut(string(body[1:]), "\x00")
		if !found {
			break
		}
		switch body[0] {
		case 'S':
			if e.Severity == "" {
				e.Severity = value
			}
		case 'V':
			e.Severity = value
		case 'C':
			e.Code = pqerror.Code(value)
		case 'M':
			e.Message = value
		case 'D':
			e.Detail = value
		case 'H':
			e.Hint = value
		case 'W':
			e.Where = value
		case 'R':
			e.Routine = value
		}
		body = []byte(rest)
	}
	return e
}

// readFields reads the fields of an error of n bytes. Fields of an error that lib/pq would reject
// are shortened while reading, because they may exceed the available memory.
func readFields(from *bufio.Reader, n int) ([]byte, error) {
	if n <= maxErrorResponse {
		body := make([]byte, n)
		_, err := io.ReadFull(from, body)
		return body, err
	}
	var out []byte
	for n > 0 {
		kind, err := from.ReadByte()
		if err != nil {
			return nil, err
		}
		n--
		if kind == 0 { // end of the fields
			_, err := io.CopyN(io.Discard, from, int64(n))
			return append(out, 0), err
		}
		value, read, err := readField(from, n)
		if err != nil {
			return nil, err
		}
		n -= read
		limit := shortField
		if strings.IndexByte("MDHWq", kind) >= 0 {
			limit = maxField
		}
		if len(out)+1+len(value) < maxErrorResponse-shortField && (len(value) <= limit || limit == maxField) {
			out = append(append(append(out, kind), value...), 0)
		}
	}
	return append(out, 0), nil
}

// readField reads a zero-terminated string of at most n bytes and omits the middle of a long one.
// read is the full length.
func readField(from *bufio.Reader, n int) (value []byte, read int, err error) {
	var head, tail []byte
	for n > read {
		part, err := from.ReadSlice(0)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, read, err
		}
		read += len(part)
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		free := min(len(part), fieldHead-len(head))
		head = append(head, part[:free]...)
		if tail = append(tail, part[free:]...); len(tail) > 4*fieldTail && read > maxField {
			tail = append(tail[:0], tail[len(tail)-fieldTail:]...)
		}
		if ended {
			break
		}
	}
	if read <= maxField {
		return append(head, tail...), read, nil
	}
	tail = tail[max(0, len(tail)-fieldTail):]
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	for len(head) > 0 {
		if r, size := utf8.DecodeLastRune(head); r != utf8.RuneError || size != 1 {
			break
		}
		head = head[:len(head)-1]
	}
	gap := "\n[" + strconv.Itoa(read-1-len(head)-len(tail)) + " bytes left out]\n"
	return append(append(head, gap...), tail...), read, nil
}

package dsn

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/config/credentials"
)

// passwordFrom looks up a password in a password file of libpq, whose lines are
// "host:port:database:user:password", where "*" matches any value and a backslash escapes
// ":" and itself (PostgreSQL manual, "The Password File"). It returns "" if no line matches.
//
// lib/pq also reads such files, but only with mode 0600. A Secret volume does not support
// that: a file of mode 0400 belongs to root, and with an fsGroup the mode is 0440. So an
// explicitly configured file is read whatever its mode.
func passwordFrom(file string, cfg pq.Config) (string, error) {
	f, err := credentials.OpenFile(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	host := cfg.Host
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		host = "localhost"
	}
	want := []string{host, strconv.Itoa(int(cfg.Port)), cfg.Database, cfg.User}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := passFields(lines.Text())
		if len(fields) == len(want)+1 && matchesAll(fields, want) {
			return fields[len(want)], nil
		}
	}
	return "", lines.Err()
}

func matchesAll(fields, want []string) bool {
	for i, w := range want {
		if fields[i] != "*" && fields[i] != w {
			return false
		}
	}
	return true
}

// passFields splits a line at unescaped colons. It returns nothing for a comment.
func passFields(line string) []string {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	var fields []string
	var field strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			field.WriteByte(line[i])
		case c == ':':
			fields = append(fields, field.String())
			field.Reset()
		default:
			field.WriteByte(c)
		}
	}
	return append(fields, field.String())
}

// A passwordFile is a password file of libpq; see passwordFrom.
type passwordFile struct{ cfg pq.Config }

func (f passwordFile) Login(context.Context) (credentials.Login, error) {
	s, err := passwordFrom(f.cfg.Passfile, f.cfg)
	if err != nil {
		return credentials.Login{}, &credentials.Error{From: "password file " + f.cfg.Passfile, Problem: err.Error(), Absent: errors.Is(err, fs.ErrNotExist),
			Next: "mount the file, or correct the path (PGPASSFILE)"}
	}
	return credentials.Login{Password: s}, nil
}

func (passwordFile) MaxLag() time.Duration  { return credentials.FileLag }
func (passwordFile) RetriesUnchanged() bool { return false }

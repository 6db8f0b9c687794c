package source

import (
	"io"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// RanWith is sqlfile.RanWith of a version's up file.
func (c *Catalog) RanWith(version uint, sum, sql string) (sqlfile.LineEndings, bool, error) {
	m, _ := c.Find(version)
	if m.Up == "" {
		return "", false, nil
	}
	endings, same, err := sqlfile.RanWith(func() (io.ReadCloser, error) { return c.openInterruptibly(m.Up) }, sum, sql)
	if err != nil {
		return "", false, c.in(m.Up, err)
	}
	return endings, same, nil
}

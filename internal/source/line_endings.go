package source

import (
	"io"

	"github.com/shiplock/shiplock/internal/sqlfile"
)

// MatchLineEndings is sqlfile.MatchLineEndings for the up file of a version.
func (c *Catalog) MatchLineEndings(version uint, sum, sql string) (sqlfile.LineEndings, bool, error) {
	m, _ := c.Find(version)
	if m.Up == "" {
		return "", false, nil
	}
	endings, same, err := sqlfile.MatchLineEndings(func() (io.ReadCloser, error) { return c.openInterruptibly(m.Up) }, sum, sql)
	if err != nil {
		return "", false, c.fileError(m.Up, err)
	}
	return endings, same, nil
}

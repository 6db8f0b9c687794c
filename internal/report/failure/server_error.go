package failure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/report"
	"github.com/shiplock/shiplock/internal/report/advice"
	"github.com/shiplock/shiplock/internal/servermessage"
	"github.com/shiplock/shiplock/internal/text"
)

// firstError returns the first of several joined errors; the others are its consequences.
func firstError(err error) error {
	for {
		several, ok := err.(interface{ Unwrap() []error })
		if !ok || len(several.Unwrap()) == 0 {
			return err
		}
		err = several.Unwrap()[0]
	}
}

// addServer adds the error of PostgreSQL or of the network.
func addServer(c *report.Report, err error) {
	var server *pq.Error
	if !errors.As(err, &server) {
		server = advice.SessionEnd(err)
	}
	if server == nil {
		c.Add("error", servermessage.ConnectionText(firstError(err)))
		return
	}
	c.Add("postgres", fmt.Sprintf("%s: %s (SQLSTATE %s)", server.Severity, text.Clip(server.Message, report.MaxSize/4), server.Code))
	c.Add("detail", server.Detail)
	c.Add("hint", server.Hint)
	c.Add("context", innermostContext(server.Where))
}

// maxContextLines is the most lines of an error's context in a report.
const maxContextLines = 8

// innermostContext returns the first lines of an error's context, those of the innermost
// call. A recursive function produces thousands.
func innermostContext(context string) string {
	lines := strings.Split(context, "\n")
	if len(lines) <= maxContextLines {
		return context
	}
	return strings.Join(lines[:maxContextLines], "\n") + "\n…"
}

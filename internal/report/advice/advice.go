package advice

import (
	"fmt"
	"strings"

	"github.com/lib/pq"

	"github.com/shiplock/shiplock/internal/migrationerror"
	"github.com/shiplock/shiplock/internal/servermessage"
	"github.com/shiplock/shiplock/internal/text"
)

// An Advice is the next step after a failed statement. The zero Advice means that the only step is to
// correct the file.
type Advice struct {
	Text string
	// EditsFile reports whether the step changes the migration's file.
	EditsFile bool
	// HasThen reports whether Text includes what follows the step.
	HasThen bool
	// deployAgain is set if the step ends with a new deployment.
	deployAgain bool
}

// IsZero reports whether the only step is to correct the file.
func (a Advice) IsZero() bool { return a.Text == "" }

// String returns the whole advice, or "".
func (a Advice) String() string {
	if a.deployAgain {
		return a.Text + ", and deploy again"
	}
	return a.Text
}

// failedStatement is what the functions of an SQLSTATE advise on.
type failedStatement struct {
	*migrationerror.Error
	server *pq.Error
	then   string // what follows the step
}

// step returns a step that does not change the file.
func (s failedStatement) step(text string) Advice {
	return Advice{Text: text + "; " + s.then, HasThen: true}
}

// edit returns a step that changes the file.
func (s failedStatement) edit(format string, args ...any) Advice {
	a := s.step(fmt.Sprintf(format, args...))
	a.EditsFile = true
	return a
}

// name returns the name that the server's message has in quotes, as an SQL identifier after a space.
func (s failedStatement) name() string { return nameAfterSpace(s.server) }

func nameAfterSpace(e *pq.Error) string {
	if name := servermessage.QuotedName(e); name != "" {
		return " " + pq.QuoteIdentifier(name)
	}
	return ""
}

// changesExistingRows reports whether the statement checks rows that existed before it, rather than
// writing new ones.
func (s failedStatement) changesExistingRows() bool {
	const longestStart = 200 // bytes
	st, _ := s.Statement()
	start := strings.ToUpper(strings.Join(strings.Fields(text.Clip(st.Text, longestStart)), " "))
	return strings.HasPrefix(start, "ALTER ") || strings.HasPrefix(start, "CREATE ")
}

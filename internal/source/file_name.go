package source

import (
	"strconv"
	"strings"

	"github.com/golang-migrate/migrate/v4/source"
)

// parsePlainName parses a name of the usual form like golang-migrate's regular expression,
// in a twentieth of the time. For ten thousand migrations the expression would take longer
// than reading all files.
func parsePlainName(name string) (source.Migration, bool) {
	rest, direction := strings.CutSuffix(name, ".up.sql")
	m := source.Migration{Direction: source.Up, Raw: name}
	if !direction {
		if rest, direction = strings.CutSuffix(name, ".down.sql"); !direction {
			return source.Migration{}, false
		}
		m.Direction = source.Down
	}
	digits, identifier, found := strings.Cut(rest, "_")
	if !found || strings.Trim(digits, "0123456789") != "" || strings.Contains(identifier, "\n") {
		return source.Migration{}, false // a dot in the expression does not match a line break
	}
	version, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || version > MaxVersion {
		return source.Migration{}, false
	}
	m.Version, m.Identifier = uint(version), identifier
	return m, true
}

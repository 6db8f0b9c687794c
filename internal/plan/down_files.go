package plan

import (
	"fmt"
	"strings"
)

// maxListed is how many versions a sentence holds before it only counts them.
const maxListed = 10

// WithoutDown lists the versions that the plan applies and that have no down file,
// as text; empty for none.
func (p Plan) WithoutDown() string {
	var versions []string
	for _, s := range p.Steps {
		if s.Direction == Up && s.Migration.Down == "" {
			versions = append(versions, fmt.Sprint(s.Migration.Version))
		}
	}
	if more := len(versions) - maxListed; more > 0 {
		versions = append(versions[:maxListed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(versions, ", ")
}

// checkDownFiles refuses a plan for ups that have no downs, where the policy wants them.
func checkDownFiles(plan Plan, p Policy) error {
	versions := plan.WithoutDown()
	if !p.RequireDown || versions == "" {
		return nil
	}
	return &Refusal{
		Reason: "pending migrations have no down file: " + versions,
		Why:    "--require-down is set, and once they have run they could not be undone",
		Next:   "add their .down.sql files (empty ones where there is nothing to undo), or deploy without --require-down",
	}
}

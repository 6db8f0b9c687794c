package planner

import (
	"fmt"
	"strings"
)

// maxListed is the most versions that a message lists; it counts the others.
const maxListed = 10

// WithoutDown returns the versions that the plan applies and that have no down file, as
// text; "" for none.
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

// checkDownFiles refuses a plan that applies migrations without a down file, if the policy
// requires down files.
func checkDownFiles(plan Plan, p Policy) error {
	versions := plan.WithoutDown()
	if !p.RequireDown || versions == "" {
		return nil
	}
	return &Refusal{
		Reason: "pending migrations have no down file: " + versions,
		Why:    "--require-down is set, and without a down file they cannot be rolled back",
		Next:   "add their .down.sql files (empty files if there is nothing to roll back), or deploy without --require-down",
	}
}

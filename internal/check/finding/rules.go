package finding

import "slices"

// Rules are all rules, in the order of the documentation.
var Rules = slices.Concat(fileRules, statementRules)

// Lookup returns the rule with an ID.
func Lookup(id string) (Rule, bool) {
	i := slices.IndexFunc(Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return Rules[i], true
}

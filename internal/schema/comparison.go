package schema

import (
	"context"
	"regexp"
	"strings"
)

// ownership matches owners and privileges, in which databases with the same schema may differ.
var ownership = regexp.MustCompile(`\b(?:\w+\.)?\w*owner::regrole(?:::text)?|\b\w*acl::text`)

// structureQuery is fingerprintQuery without owners and privileges.
var structureQuery = ownership.ReplaceAllString(fingerprintQuery, "''::text")

// Structure returns the Fingerprint without owners and privileges, to compare two databases.
func (reader *Reader) Structure(ctx context.Context) (Fingerprint, error) {
	return reader.readFingerprint(ctx, structureQuery)
}

// DifferencesWithin returns the Differences without objects that exist only in the other database
// and outside the schemas of f: extensions, schemas of other applications, and objects of the
// server.
func (f Fingerprint) DifferencesWithin(now Fingerprint) []Difference {
	var out []Difference
	for _, d := range f.Differences(now) {
		kind, _, _ := strings.Cut(d.Object, " ")
		if kind == "default" || d.Change == "added" && (kind == "schema" || kind == "extension" || !f.containsSchemaOf(d.Object)) {
			continue
		}
		out = append(out, d)
	}
	return out
}

// containsSchemaOf reports whether an object is in one of the schemas of f.
func (f Fingerprint) containsSchemaOf(name string) bool {
	for o := range f.objects {
		if o.kind == "schema" && strings.Contains(name, " "+o.name+".") {
			return true
		}
	}
	return false
}

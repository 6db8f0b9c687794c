package postgres

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
func (db *DB) Structure(ctx context.Context) (Fingerprint, error) {
	return db.readFingerprint(ctx, structureQuery)
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

// Baseline writes a version and the history rows of a baseline.
func (db *DB) Baseline(ctx context.Context, to State, runs []Run) error {
	var sql strings.Builder
	if db.historyUnavailable {
		db.log.Warn("history table not created: no CREATE privilege on the version table's schema", "schema", db.table.schema, "role", db.Server.User)
	} else {
		sql.WriteString(db.createHistorySQL())
		for _, r := range runs {
			sql.WriteString(db.runRowSQL(r))
		}
	}
	sql.WriteString(db.writeVersionSQL(to))
	if err := db.writeHistory(ctx, sql.String()); err != nil {
		return err
	}
	db.versionTableExists, db.historyExists = true, !db.historyUnavailable
	return nil
}

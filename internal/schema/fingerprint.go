package schema

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shiplock/shiplock/internal/history"
)

// fingerprintQuery lists every object outside the system schemas: kind, name, parent object,
// and every property that a statement could change. It excludes rows, large objects, sequence
// values, column order, and properties of the database or server (roles, database settings and
// grants, tablespaces, subscriptions).
//
//go:embed fingerprint.sql
var fingerprintQuery string

// A Fingerprint describes the schema of a database for comparison.
type Fingerprint struct {
	objects map[object]string // hash of the definition
	text    map[object]string // definition
	parent  map[object]string
}

type object struct{ kind, name string }

func (o object) String() string { return o.kind + " " + o.name }

// Fingerprint reads the schema in one snapshot, without Shiplock's own tables. It waits only a few
// seconds for a locked table.
func (reader *Reader) Fingerprint(ctx context.Context) (Fingerprint, error) {
	return reader.readFingerprint(ctx, fingerprintQuery)
}

func (reader *Reader) readFingerprint(ctx context.Context, query string) (Fingerprint, error) {
	// With an empty search_path, every name is printed qualified.
	const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '30s'"
	if err := reader.session.Exec(ctx, begin); err != nil {
		return Fingerprint{}, err
	}
	f, err := reader.readObjects(ctx, query)
	return f, errors.Join(err, reader.session.Rollback(ctx, ""))
}

func (reader *Reader) readObjects(ctx context.Context, query string) (Fingerprint, error) {
	f := Fingerprint{objects: map[object]string{}, text: map[object]string{}, parent: map[object]string{}}
	rows, err := reader.session.Query(ctx, query, reader.store.Table.Schema, reader.store.Table.Name+history.Suffix, reader.store.Table.Name+history.ExternalToolSuffix)
	if err != nil {
		return f, reader.session.ClassifyError(ctx, fmt.Errorf("schema fingerprint: %w", err))
	}
	for rows.Next() {
		var o object
		var parent, definition string
		if err := rows.Scan(&o.kind, &o.name, &parent, &definition); err != nil {
			return f, errors.Join(err, rows.Close())
		}
		sum := sha256.Sum256([]byte(definition))
		f.objects[o], f.parent[o] = hex.EncodeToString(sum[:]), parent
		f.text[o] = definition
	}
	return f, reader.session.ClassifyError(ctx, errors.Join(rows.Err(), rows.Close()))
}

// Sum returns the SHA-256 of all objects in hexadecimal.
func (f Fingerprint) Sum() string {
	h := sha256.New()
	for _, o := range slices.SortedFunc(maps.Keys(f.objects), byName) {
		fmt.Fprintf(h, "%s\x00%s\n", o, f.objects[o])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func byName(a, b object) int { return strings.Compare(a.name+"\x00"+a.kind, b.name+"\x00"+b.kind) }

// Changes describes the differences between f and now, such as "added table public.guests". Parts
// of an added or removed object are omitted.
func (f Fingerprint) Changes(now Fingerprint) []string {
	var out []string
	for _, d := range f.Differences(now) {
		out = append(out, d.Change+" "+d.Object)
	}
	return out
}

// A Difference is an object that was added, removed or changed.
type Difference struct {
	Change string `json:"-"`                // added, removed or changed
	Object string `json:"object"`           // "table public.guests"
	Before string `json:"before,omitempty"` // definition; empty if the object did not exist
	After  string `json:"after,omitempty"`
}

// Differences returns the objects that Changes describes, with their definitions.
func (f Fingerprint) Differences(now Fingerprint) []Difference {
	var changed []object
	words := map[object]string{}
	note := func(o object, word string) { changed, words[o] = append(changed, o), word }
	for o, sum := range f.objects {
		if other, there := now.objects[o]; !there {
			note(o, "removed")
		} else if other != sum {
			note(o, "changed")
		}
	}
	for o := range now.objects {
		if _, there := f.objects[o]; !there {
			note(o, "added")
		}
	}
	slices.SortFunc(changed, byName)
	var out []Difference
	for _, o := range changed {
		if w := words[o]; w == "changed" || !changedWithParent(o, w, f.parent, now.parent, words) {
			out = append(out, Difference{Change: w, Object: o.String(), Before: f.text[o], After: now.text[o]})
		}
	}
	return out
}

// parentKinds are the kinds of objects that have columns, indexes or comments.
var parentKinds = []string{"table", "foreign table", "materialized view", "view", "type", "domain", "index", "sequence", "function", "procedure", "schema", "extension"}

// changedWithParent reports whether the parent of o was added or removed with it.
func changedWithParent(o object, word string, before, now map[object]string, words map[object]string) bool {
	parent := now[o]
	if word == "removed" {
		parent = before[o]
	}
	for _, kind := range parentKinds {
		if words[object{kind, parent}] == word {
			return true
		}
	}
	return false
}

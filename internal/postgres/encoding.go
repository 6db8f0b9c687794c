package postgres

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// A database whose encoding is not UTF8 cannot hold every character, and a query with
// such a character fails as a whole, even if it is in a comment. What only the history
// needs must not fail a migration: texts of that kind are not kept, and the rest is
// written with question marks.

// holdsAll reports whether the database's encoding holds every character.
func (db *DB) encodesAllCharacters() bool {
	return db.Server.encoding == "UTF8" || db.Server.encoding == "SQL_ASCII" || db.Server.encoding == ""
}

// learn asks the server which characters of the texts it cannot hold. within says that a
// transaction is open, which must survive the answer.
func (db *DB) probeEncoding(ctx context.Context, within bool, texts ...string) {
	if db.encodesAllCharacters() {
		return
	}
	if db.encodable == nil {
		db.encodable = map[rune]bool{}
	}
	var unknown []rune
	for _, text := range texts {
		for _, r := range text {
			if _, known := db.encodable[r]; r >= utf8.RuneSelf && !known && !slices.Contains(unknown, r) {
				unknown = append(unknown, r)
			}
		}
	}
	db.probeCharacters(ctx, within, unknown)
}

// ask halves what the server cannot hold as a whole until it is known of each character.
func (db *DB) probeCharacters(ctx context.Context, within bool, unknown []rune) {
	if len(unknown) == 0 {
		return
	}
	query := "SELECT pg_catalog.convert_from('\\x" + hex.EncodeToString([]byte(string(unknown))) + "', 'UTF8') IS NOT NULL"
	if within {
		query = "SAVEPOINT shiplock_fits; " + query
	}
	var fits bool
	err := db.queryRow(ctx, query).Scan(&fits)
	if within {
		if _, failed := db.conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT shiplock_fits; RELEASE SAVEPOINT shiplock_fits"); failed != nil && err == nil {
			return
		}
	}
	switch {
	case err == nil:
		for _, r := range unknown {
			db.encodable[r] = true
		}
	case pq.As(err, pqerror.UntranslatableCharacter, pqerror.CharacterNotInRepertoire) == nil:
		return // what is wrong shows with the next query
	case len(unknown) == 1:
		db.encodable[unknown[0]] = false
	default:
		db.probeCharacters(ctx, within, unknown[:len(unknown)/2])
		db.probeCharacters(ctx, within, unknown[len(unknown)/2:])
	}
}

// unfit reports whether a text has a character that the database cannot hold, as far as that was asked.
func (db *DB) hasUnencodable(text string) bool {
	return !db.encodesAllCharacters() && strings.ContainsFunc(text, func(r rune) bool {
		fits, known := db.encodable[r]
		return known && !fits
	})
}

// fitted is a text with question marks for what the database cannot hold.
func (db *DB) replaceUnencodable(text string) string {
	if !db.hasUnencodable(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if fits, known := db.encodable[r]; known && !fits {
			return '?'
		}
		return r
	}, text)
}

// withoutUnfit takes SQL that the database cannot hold out of what the history is to keep.
func (db *DB) omitUnencodableSQL(ctx context.Context, m *migration) {
	if db.encodesAllCharacters() {
		return
	}
	who := db.opts.Identity
	db.probeEncoding(ctx, m.continuesTx || db.lockTxOpen, m.run.upSQL, m.run.downSQL, m.run.Name, m.script.Name, who.Release, who.Revision, who.Namespace, who.Pod, db.opts.Role)
	m.script.shown = db.replaceUnencodable(m.script.Name)
	for _, text := range []*string{&m.run.upSQL, &m.run.downSQL} {
		if db.hasUnencodable(*text) {
			*text = ""
			db.log.Warn("the database's encoding cannot hold this SQL, so the history keeps its checksum only: an image without the files cannot roll it back",
				"file", m.script.Name, "encoding", db.Server.encoding)
		}
	}
}

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

// A database whose encoding is not UTF8 cannot represent every character, and a query with such a
// character fails, even if it is in a comment. The history must not fail a migration: its SQL is
// not stored if it has such characters, and they are replaced by question marks in other texts.

// EncodesAllCharacters reports whether the database's encoding represents every character.
func (db *Session) EncodesAllCharacters() bool {
	return db.Server.Encoding == "UTF8" || db.Server.Encoding == "SQL_ASCII" || db.Server.Encoding == ""
}

// ProbeEncoding asks the server which characters of the texts its encoding can represent. within
// means that a transaction is open, which must stay usable.
func (db *Session) ProbeEncoding(ctx context.Context, within bool, texts ...string) {
	if db.EncodesAllCharacters() {
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

// probeCharacters checks all characters at once, and halves the list until the result for each
// character is known.
func (db *Session) probeCharacters(ctx context.Context, within bool, unknown []rune) {
	if len(unknown) == 0 {
		return
	}
	query := "SELECT pg_catalog.convert_from('\\x" + hex.EncodeToString([]byte(string(unknown))) + "', 'UTF8') IS NOT NULL"
	if within {
		query = "SAVEPOINT shiplock_fits; " + query
	}
	var fits bool
	err := db.QueryRow(ctx, query).Scan(&fits)
	if within {
		if _, failed := db.Conn.ExecContext(ctx, "ROLLBACK TO SAVEPOINT shiplock_fits; RELEASE SAVEPOINT shiplock_fits"); failed != nil && err == nil {
			return
		}
	}
	switch {
	case err == nil:
		for _, r := range unknown {
			db.encodable[r] = true
		}
	case pq.As(err, pqerror.UntranslatableCharacter, pqerror.CharacterNotInRepertoire) == nil:
		return // the next query returns the error
	case len(unknown) == 1:
		db.encodable[unknown[0]] = false
	default:
		db.probeCharacters(ctx, within, unknown[:len(unknown)/2])
		db.probeCharacters(ctx, within, unknown[len(unknown)/2:])
	}
}

// HasUnencodable reports whether a text has a character that ProbeEncoding found the database
// cannot represent.
func (db *Session) HasUnencodable(text string) bool {
	return !db.EncodesAllCharacters() && strings.ContainsFunc(text, func(r rune) bool {
		fits, known := db.encodable[r]
		return known && !fits
	})
}

// ReplaceUnencodable returns a text with question marks in place of the characters that the
// database cannot represent.
func (db *Session) ReplaceUnencodable(text string) string {
	if !db.HasUnencodable(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if fits, known := db.encodable[r]; known && !fits {
			return '?'
		}
		return r
	}, text)
}

package schema

import (
	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// A Reader reads the schema of a database, and prepares and resets a scratch database.
type Reader struct {
	session *postgres.Session
	store   *history.Store
}

// NewReader returns a Reader of the store's database.
func NewReader(store *history.Store) *Reader {
	return &Reader{session: store.Session(), store: store}
}

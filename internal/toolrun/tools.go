package toolrun

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// Tools observes external migration tools: their sessions, their tables and the history of their
// runs.
type Tools struct {
	session *postgres.Session
	store   *history.Store
	log     *slog.Logger
}

// New returns Tools for the store's database.
func New(store *history.Store) *Tools {
	return &Tools{session: store.Session(), store: store, log: store.Session().Log}
}

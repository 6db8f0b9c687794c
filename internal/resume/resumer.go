package resume

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/postgres"
)

// A Resumer determines where a partially applied migration resumes, and prepares the session for it.
type Resumer struct {
	session *postgres.Session
	store   *history.Store
	log     *slog.Logger
}

// NewResumer returns a Resumer for the store's database.
func NewResumer(store *history.Store) *Resumer {
	return &Resumer{session: store.Session(), store: store, log: store.Session().Log}
}

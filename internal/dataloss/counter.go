package dataloss

import (
	"log/slog"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/lint"
	"github.com/shiplock/shiplock/internal/postgres"
)

// A Counter counts the data that rollbacks would delete.
type Counter struct {
	// Guard applies to the running migration.
	Guard Guard

	session *postgres.Session
	store   *history.Store
	log     *slog.Logger
}

// NewCounter returns a Counter for the store's database.
func NewCounter(store *history.Store) *Counter {
	return &Counter{session: store.Session(), store: store, log: store.Session().Log}
}

// A Guard makes a down migration fail that would delete data.
type Guard struct {
	Active bool
	Own    lint.OwnObjects // objects that the migration creates itself
}

package history

import (
	"context"

	"github.com/shiplock/shiplock/internal/postgres"
)

// openSecondStore opens a second session with the same tables.
func (store *Store) OpenSecondStore(ctx context.Context) (*Store, error) {
	opts := store.SameTables(store.session.SecondSessionOptions(ctx))
	opts.SkipTableCheck = true
	return postgres.Open(ctx, opts)
}

package lock

import (
	"fmt"

	"github.com/shiplock/shiplock/internal/postgres"
)

// resetSQL returns the SQL that restores the state of the session before the migration. It must run
// in one transaction, or the migration lock would be released for a moment.
func (lock *Lock) ResetSQL() string {
	return postgres.ResetSession + postgres.ReseedRandom + lock.session.RestoreRoleSQL() + lock.session.KeepaliveSQL() + lock.session.DeallocateSQL() + lock.releaseAdvisoryLocksSQL()
}

// releaseAdvisoryLocksSQL returns the SQL that releases all advisory locks of the session except
// the migration lock: the transaction holds that lock until its end, and the session acquires it
// again before. It fails with a division by zero if the migration has released the lock and another
// session holds it. Behind a pooler, the lock belongs to the transaction and no function releases
// it.
func (lock *Lock) releaseAdvisoryLocksSQL() string {
	key, err := lock.LockKey()
	if lock.LockDepth == 0 || lock.session.Shared || err != nil {
		return "SELECT pg_catalog.pg_advisory_unlock_all();\n"
	}
	return fmt.Sprintf("SELECT 1 / pg_catalog.pg_try_advisory_xact_lock(%[1]d)::int, pg_catalog.pg_advisory_unlock_all(), pg_catalog.pg_try_advisory_lock(%[1]d);\n", key)
}

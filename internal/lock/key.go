package lock

import (
	"hash/crc32"
	"strings"

	"github.com/shiplock/shiplock/internal/history"
)

// Key returns the key of golang-migrate's CLI, whose driver hashes the path of the database URL:
// "/mydb", with the slash (database.GenerateAdvisoryLockId; package golangmigrate tests that both
// agree). External tools have a separate key; see ADR 7.
func Key(store *history.Store) int64 {
	names := []string{store.Table.Schema, store.Table.Name}
	if store.Opts.ExternalTool {
		names = append(names, "exec")
	}
	names = append(names, "/"+store.Session().Server.Database)
	const salt = 1486364155
	return int64(crc32.ChecksumIEEE([]byte(strings.Join(names, "\x00"))) * salt)
}

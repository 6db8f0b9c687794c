package faultinjection

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A release has a folder of v1, a folder of v2, and the number of rows that each down of v2 logs.
type release struct {
	v1, v2 string
	counts map[int]int
	class  Class // Mixed if a down cannot run in one transaction
}

// newRelease writes the two folders of a seed. Versions above 1 are only in v2. Each has a
// down that logs its run in chaos_downs.
func newRelease(t *testing.T, seed uint64) release {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	out := release{v1: t.TempDir(), v2: t.TempDir(), counts: map[int]int{}, class: Transactional}
	write := func(dir string, version int, direction, sql string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d_x.%s.sql", version, direction)), []byte(sql), 0o600))
	}
	for _, dir := range []string{out.v1, out.v2} {
		write(dir, 1, "up", "CREATE TABLE t (id int);\nINSERT INTO t SELECT generate_series(1, 500);\nCREATE TABLE chaos_downs (version int);\n")
		write(dir, 1, "down", "DROP TABLE chaos_downs;\nDROP TABLE t;\n")
	}
	forms := 4
	if r.IntN(3) == 0 {
		forms = 2 // one transaction each
	}
	for v := 2; v < 5+r.IntN(4); v++ {
		count, sleep := fmt.Sprintf("INSERT INTO chaos_downs VALUES (%d);\n", v), fmt.Sprintf("SELECT pg_sleep(%.3f);\n", r.Float64()/50)
		out.counts[v] = 1
		switch r.IntN(forms) {
		case 0:
			write(out.v2, v, "up", fmt.Sprintf("CREATE TABLE t%d (id int);\n", v))
			write(out.v2, v, "down", count+sleep+fmt.Sprintf("DROP TABLE t%d;\n", v))
		case 1:
			write(out.v2, v, "up", fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d int NOT NULL DEFAULT 1;\n", v))
			write(out.v2, v, "down", fmt.Sprintf("ALTER TABLE t DROP COLUMN c%d;\n", v)+sleep+count)
		case 2:
			write(out.v2, v, "up", fmt.Sprintf("CREATE INDEX CONCURRENTLY i%d ON t (id);\n", v))
			write(out.v2, v, "down", fmt.Sprintf("DROP INDEX CONCURRENTLY i%d;\n", v))
			delete(out.counts, v) // the statement must be the only one of its file
			out.class = Mixed
		default:
			write(out.v2, v, "up", fmt.Sprintf("CREATE INDEX i%d ON t (id);\n", v))
			write(out.v2, v, "down", count+fmt.Sprintf("DROP INDEX CONCURRENTLY i%d;\n", v)+sleep+count)
			out.counts[v], out.class = 2, Mixed
		}
	}
	return out
}

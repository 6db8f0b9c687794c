package schema

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/history"
	"github.com/shiplock/shiplock/internal/test/pgtest"
	"github.com/shiplock/shiplock/internal/test/teststore"
	"github.com/shiplock/shiplock/internal/toolrun"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func fingerprint(t *testing.T, db *Reader) Fingerprint {
	t.Helper()
	f, err := db.Fingerprint(t.Context())
	require.NoError(t, err)
	return f
}

// allObjects creates an object of each kind.
const allObjects = `
CREATE TABLE guests (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL DEFAULT '', n serial, CHECK (n > 0));
CREATE TABLE stays (guest int REFERENCES guests, day date) PARTITION BY RANGE (day);
CREATE TABLE stays_2026 PARTITION OF stays FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX by_day ON stays (day);
CREATE VIEW all_guests AS SELECT * FROM guests;
CREATE MATERIALIZED VIEW many AS SELECT count(*) FROM guests;
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE place AS (x int, y int);
CREATE TYPE times AS RANGE (subtype = time);
CREATE DOMAIN short AS text CHECK (length(VALUE) < 10);
CREATE FUNCTION f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int);
CREATE TRIGGER before_all BEFORE INSERT ON guests FOR EACH ROW EXECUTE FUNCTION g();
CREATE RULE nothing AS ON DELETE TO guests DO INSTEAD NOTHING;
CREATE POLICY own ON guests USING (email = current_user);
CREATE SCHEMA "other place";
CREATE TABLE "other place"."T" (a int);
CREATE EXTENSION pg_trgm;
`

// superuserObjects creates objects that require a superuser, and unusual ones.
const superuserObjects = `
CREATE STATISTICS pair ON id, email FROM guests;
CREATE PUBLICATION outgoing FOR TABLE guests;
CREATE FUNCTION h() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION h();
ALTER EVENT TRIGGER seen DISABLE;
CREATE CAST (mood AS int) WITH INOUT;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, PROCEDURE = int4eq);
CREATE OPERATOR FAMILY fam USING btree;
CREATE COLLATION coll (LOCALE = 'C');
CREATE TEXT SEARCH CONFIGURATION search (COPY = simple);
CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple);
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper;
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (password 'marked');
CREATE FOREIGN TABLE far (a int) SERVER elsewhere;
COMMENT ON TABLE guests IS 'them';
`

func TestFingerprint_EveryKindOfChange_Reported(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, fmt.Sprintf("ALTER ROLE %q SUPERUSER", d.User))
	db := NewReader(teststore.Open(t, d))
	require.NoError(t, db.session.Exec(t.Context(), allObjects+superuserObjects))
	for sql, want := range map[string][]string{
		"CREATE TABLE new (a serial PRIMARY KEY, b text UNIQUE)": {"added table public.new"},
		"DROP TABLE stays":                                                                           {"removed table public.stays", "removed table public.stays_2026"},
		"ALTER TABLE guests ADD phone text":                                                          {"added column public.guests.phone"},
		"ALTER TABLE guests DROP CONSTRAINT guests_n_check":                                          {"removed constraint guests_n_check of public.guests"},
		"ALTER TABLE guests ALTER email DROP DEFAULT":                                                {"changed column public.guests.email"},
		"ALTER TABLE stays ALTER guest TYPE bigint":                                                  {"changed column public.stays.guest", "changed column public.stays_2026.guest"},
		"ALTER TABLE guests RENAME email TO mail":                                                    {"changed policy own of public.guests", "changed view public.all_guests", "removed column public.guests.email", "added column public.guests.mail", "changed statistics object public.pair"},
		"ALTER TABLE guests ENABLE ROW LEVEL SECURITY":                                               {"changed table public.guests"},
		"ALTER TABLE stays DETACH PARTITION stays_2026":                                              {"changed table public.stays_2026"},
		"GRANT SELECT ON guests TO PUBLIC":                                                           {"changed table public.guests"},
		"DROP INDEX by_day; CREATE INDEX by_day ON stays (day DESC)":                                 {"changed index public.by_day", "changed index public.stays_2026_day_idx"},
		"CREATE OR REPLACE VIEW all_guests AS SELECT *, 1 AS one FROM guests":                        {"changed view public.all_guests"},
		"DROP MATERIALIZED VIEW many":                                                                {"removed materialized view public.many"},
		"ALTER SEQUENCE numbers INCREMENT 5":                                                         {"changed sequence public.numbers"},
		"ALTER TYPE mood ADD VALUE 'fair' BEFORE 'bad'":                                              {"changed type public.mood"},
		"ALTER TYPE place ADD ATTRIBUTE z int":                                                       {"added column public.place.z"},
		"DROP TYPE times":                                                                            {"removed type public.times"},
		"ALTER DOMAIN short SET NOT NULL":                                                            {"changed domain public.short"},
		"ALTER DOMAIN short ADD CHECK (VALUE <> '')":                                                 {"changed domain public.short"},
		"CREATE OR REPLACE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'": {"changed function public.g()"},
		"DROP FUNCTION f":                                                                            {"removed function public.f(a integer, b text)"},
		"ALTER PROCEDURE p SECURITY DEFINER":                                                         {"changed procedure public.p()"},
		"ALTER AGGREGATE total (int) RENAME TO sum_of":                                               {"added function public.sum_of(integer)", "removed function public.total(integer)"},
		"ALTER TABLE guests DISABLE TRIGGER before_all":                                              {"changed trigger before_all of public.guests"},
		"ALTER TABLE guests DISABLE RULE nothing":                                                    {"changed rule nothing of public.guests"},
		"ALTER POLICY own ON guests USING (true)":                                                    {"changed policy own of public.guests"},
		`ALTER TABLE "other place"."T" ALTER a TYPE bigint`:                                          {`changed column "other place"."T".a`},
		`DROP SCHEMA "other place" CASCADE`:                                                          {`removed schema "other place"`, `removed table "other place"."T"`},
		"DROP EXTENSION pg_trgm":                                                                     {"removed extension pg_trgm"},
		"INSERT INTO guests (email) VALUES ('x'); SELECT nextval('numbers')":                         nil,
		"REINDEX TABLE guests; ANALYZE guests; REFRESH MATERIALIZED VIEW many":                       nil,
		"CREATE TEMPORARY TABLE temp (a int); COMMENT ON TABLE guests IS 'them'":                     nil,
		"CREATE TEMPORARY TABLE temp (a int); COMMENT ON TABLE temp IS 'mine'":                       nil,
		"COMMENT ON TABLE guests IS NULL; COMMENT ON COLUMN guests.email IS 'mine'":                  {"added comment on table column public.guests.email", "removed comment on table public.guests"},
		"CREATE TABLE new (a int); COMMENT ON COLUMN new.a IS 'x'; COMMENT ON TABLE new IS 'y'":      {"added table public.new"},
		"CREATE EXTENSION citext":                                                                    {"added extension citext"},
		"COMMENT ON TRIGGER before_all ON guests IS 'x'":                                             {"added comment on trigger before_all on public.guests"},
		"ALTER TABLE guests ALTER email SET STORAGE EXTERNAL":                                        {"changed column public.guests.email"},
		"ALTER TABLE guests ALTER email SET STATISTICS 7":                                            {"changed column public.guests.email"},
		"ALTER TABLE guests ALTER email SET (n_distinct = 7)":                                        {"changed column public.guests.email"},
		"ALTER TABLE guests ALTER email SET COMPRESSION pglz":                                        {"changed column public.guests.email"},
		"ALTER TABLE guests CLUSTER ON guests_pkey":                                                  {"changed index public.guests_pkey"},
		"ALTER TABLE guests REPLICA IDENTITY USING INDEX guests_pkey":                                {"changed table public.guests", "changed index public.guests_pkey"},
		"ALTER SEQUENCE numbers OWNED BY guests.id":                                                  {"changed sequence public.numbers"},
		"GRANT SELECT (email) ON all_guests TO PUBLIC":                                               {"changed view public.all_guests"},
		"ALTER VIEW all_guests ALTER email SET DEFAULT 'x'":                                          {"changed view public.all_guests"},
		"ALTER STATISTICS pair SET STATISTICS 5":                                                     {"changed statistics object public.pair"},
		"ALTER PUBLICATION outgoing ADD TABLE stays":                                                 {"changed publication outgoing"},
		"ALTER EVENT TRIGGER seen ENABLE":                                                            {"changed event trigger seen"},
		"DROP CAST (mood AS int)":                                                                    {"removed cast (public.mood AS integer)"},
		"ALTER OPERATOR === (int, int) SET (RESTRICT = eqsel)":                                       {"changed operator public.===(integer,integer)"},
		"DROP OPERATOR FAMILY fam USING btree":                                                       {"removed operator family public.fam USING btree"},
		"DROP COLLATION coll":                                                                        {"removed collation public.coll"},
		"ALTER TEXT SEARCH CONFIGURATION search DROP MAPPING FOR word":                               {"changed text search configuration public.search"},
		"ALTER TEXT SEARCH DICTIONARY words (accept = false)":                                        {"changed text search dictionary public.words"},
		"ALTER SERVER elsewhere OPTIONS (ADD host 'x')":                                              {"changed server elsewhere"},
		"ALTER USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (SET password 'other')":              {"changed user mapping public on server elsewhere"},
		"ALTER FOREIGN TABLE far OPTIONS (ADD table_name 'x')":                                       {"changed foreign table public.far"},
		"ALTER FOREIGN TABLE far ALTER a OPTIONS (ADD column_name 'x')":                              {"changed column public.far.a"},
		"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC":                 {"added default acl for role ME in schema public on tables"},
		"CREATE TYPE hollow":                                                                         {"added type public.hollow"},
	} {
		t.Run(sql, func(t *testing.T) {
			before := fingerprint(t, db)
			assert.Empty(t, before.Changes(fingerprint(t, db)))
			require.NoError(t, db.session.Exec(t.Context(), "BEGIN; "+sql+"; SET LOCAL search_path = ''"))
			now, err := db.readObjects(t.Context(), fingerprintQuery)
			require.NoError(t, err)
			require.NoError(t, db.session.Exec(t.Context(), "ROLLBACK"))
			if strings.Contains(sql, "RENAME email") && d.Major(t) >= 18 { // which stores NOT NULL as a constraint
				want = append([]string{"changed constraint guests_email_not_null of public.guests"}, want...)
			}
			var changes []string
			for _, c := range before.Changes(now) {
				changes = append(changes, strings.ReplaceAll(c, strconv.Quote(d.User), "ME"))
			}
			assert.Equal(t, want, changes)
			assert.Equal(t, want == nil, before.Sum() == now.Sum())
		})
	}
}

// TestFingerprint_ChangesOfNewerVersion_Reported checks what the catalogs of PostgreSQL 18 have in addition.
func TestFingerprint_ChangesOfNewerVersion_Reported(t *testing.T) {
	t.Parallel()
	d := pgtest.Version(t, 18)
	db := NewReader(teststore.Open(t, d))
	require.NoError(t, db.session.Exec(t.Context(), `
		CREATE TABLE v (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);
		CREATE TABLE t (a int, CHECK (a > 0) NOT ENFORCED);
		ALTER TABLE t ADD CONSTRAINT given NOT NULL a NOT VALID;
		CREATE TABLE k (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
		CREATE TABLE r (id int4range, during daterange, CONSTRAINT kept FOREIGN KEY (id, PERIOD during) REFERENCES k (id, PERIOD during))`))
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"ALTER TABLE t VALIDATE CONSTRAINT given", []string{"changed constraint given of public.t"}},
		{"ALTER TABLE t ALTER CONSTRAINT given NO INHERIT", []string{"changed constraint given of public.t"}},
		{"ALTER TABLE v ALTER b SET EXPRESSION AS (a * 3)", []string{"changed column public.v.b"}},
		{"ALTER TABLE v DROP b, ADD b int GENERATED ALWAYS AS (a * 3) STORED", []string{"changed column public.v.b"}},
		{"ALTER TABLE t DROP CONSTRAINT t_a_check, ADD CONSTRAINT t_a_check CHECK (a > 0)", []string{"changed constraint t_a_check of public.t"}},
		{"ALTER TABLE r ALTER CONSTRAINT kept NOT ENFORCED", []string{"changed constraint kept of public.r"}},
		{"ALTER TABLE r DROP CONSTRAINT kept", []string{"removed constraint kept of public.r"}},
		{"ALTER TABLE k DROP CONSTRAINT k_pkey CASCADE, ADD CONSTRAINT k_pkey PRIMARY KEY (id, during)", []string{"changed constraint k_pkey of public.k", "changed index public.k_pkey"}},
	} {
		before := fingerprint(t, db)
		require.NoError(t, db.session.Exec(t.Context(), c.sql), c.sql)
		assert.Equal(t, c.want, before.Changes(fingerprint(t, db)), c.sql)
	}
}

func TestFingerprint_InvalidIndex_Reported(t *testing.T) {
	t.Parallel()
	db := NewReader(teststore.Open(t, pgtest.New(t)))
	require.NoError(t, db.session.Exec(t.Context(), "CREATE TABLE a AS SELECT 1 AS b UNION ALL SELECT 1"))
	before := fingerprint(t, db)
	require.Error(t, db.session.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)"))
	invalid := fingerprint(t, db)
	assert.Equal(t, []string{"added index public.i"}, before.Changes(invalid))
	require.NoError(t, db.session.Exec(t.Context(), "DELETE FROM a"))
	require.NoError(t, db.session.Exec(t.Context(), "REINDEX INDEX i"))
	assert.Equal(t, []string{"changed index public.i"}, invalid.Changes(fingerprint(t, db)))
}

// Shiplock's own tables are excluded, and the search_path has no effect.
func TestFingerprint_OwnTables_Excluded(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := NewReader(teststore.Open(t, d))
	require.NoError(t, db.session.Exec(t.Context(), allObjects))
	before := fingerprint(t, db)
	run := toolrun.ToolRun{Command: "tool", Outcome: toolrun.ToolRunning, Started: time.Now()}
	id, err := toolrun.New(db.store).RecordToolRun(t.Context(), 0, run)
	require.NoError(t, err)
	assert.NotZero(t, id)
	require.NoError(t, db.session.Exec(t.Context(), db.store.CreateTableSQL()))
	d.Exec(t, fmt.Sprintf(`ALTER ROLE %q SET search_path = "other place"`, d.User))
	other := NewReader(teststore.OpenWith(t, teststore.Options(t, d.URL()), history.Options{Table: "public.schema_migrations"}))
	assert.Empty(t, before.Changes(fingerprint(t, other)))
}

func TestFingerprint_LockedTable_TimesOut(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := NewReader(teststore.Open(t, d))
	require.NoError(t, db.session.Exec(t.Context(), allObjects))
	tx, err := d.Admin().Begin()
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("LOCK TABLE guests")
	require.NoError(t, err)
	_, err = db.Fingerprint(t.Context())
	assert.ErrorContains(t, err, "lock timeout")
	require.NoError(t, tx.Rollback())
	fingerprint(t, db)
}

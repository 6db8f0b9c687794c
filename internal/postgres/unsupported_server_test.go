package postgres

import (
	"testing"

	"github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shiplock/shiplock/internal/test/pgtest"
)

// TestUnsupportedServer_VersionTexts_Recognized uses the results of version() that products and managed services return.
func TestUnsupportedServer_VersionTexts_Recognized(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, address, product string }{
		{"CockroachDB CCL v24.3.5 (x86_64-pc-linux-gnu, built 2025/02/03 17:28:15, go1.22.8 X:nocoverageredesign)", "", "CockroachDB"},
		{"PostgreSQL 11.2-YB-2.20.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 16.0.6, 64-bit", "", "YugabyteDB"},
		{"PostgreSQL 15.12-YB-2025.1.2.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit", "", "YugabyteDB"},
		{"PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.107351", "", "Amazon Redshift"},
		{"PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:7ec4678) on x86_64-pc-linux-gnu, compiled by gcc (GCC) 8.5.0", "", "Greenplum"},
		{"PostgreSQL 14.4 (WarehousePG 7.2.0 build commit:abc) on x86_64-pc-linux-gnu, compiled by gcc (GCC) 11.3.0, 64-bit", "", "WarehousePG"},
		{"PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build 1) on aarch64-unknown-linux-gnu, compiled by gcc (GCC) 11.5.0", "", "Apache Cloudberry"},
		{"PostgreSQL 13.14.0-RisingWave-2.3.2 (58c5893670f326f0922b9bc58c61c83cabeccaa8)", "", "RisingWave"},
		{"PostgreSQL 16", "abc.dsql.eu-west-1.on.aws:5432", "Amazon Aurora DSQL"},
		{"", "abc.dsql.eu-west-1.on.aws:5432", "Amazon Aurora DSQL"},
		{"SomeDB 3.1", "", ""},
		{"PostgreSQL", "", ""},
	} {
		assert.Equal(t, &UnsupportedServerError{Product: c.product, Version: c.version}, unsupportedServer(c.version, c.address), c.version)
	}
	for text, version := range map[string]string{
		"PostgreSQL 9.6.24 on x86_64-pc-linux-gnu, compiled by gcc (Debian 8.3.0-6) 8.3.0, 64-bit":    "9.6.24",
		"PostgreSQL 13.23 (Debian 13.23-1.pgdg120+1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit": "13.23",
	} {
		assert.Equal(t, &UnsupportedServerError{TooOld: true, Version: version}, unsupportedServer(text, ""), text)
	}
	for _, supported := range []string{
		"PostgreSQL 14.23 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 8.5.0, 64-bit",
		"PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
		"PostgreSQL 16.1, compiled by Visual C++ build 1937, 64-bit",
		"PostgreSQL 17.5 (EnterpriseDB Advanced Server 17.5.0) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
		"PostgreSQL 19beta1 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
		"",
	} {
		assert.NoError(t, unsupportedServer(supported, "db.example.com:5432"), supported)
	}
}

func TestOpen_TooOldServer_Refused(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), testOptions(t, pgtest.Version(t, 13).URL()))
	requireUnsupported(t, err, "the server is PostgreSQL 13.23; version 14 or newer is required")
}

// The catalogs of another product often lack what the first query reads.
func TestOpen_OtherProduct_Refused(t *testing.T) {
	t.Parallel()
	for name, function := range map[string]string{
		"first query succeeds": "",
		"first query fails":    "CREATE OR REPLACE FUNCTION pg_catalog.pg_postmaster_start_time() RETURNS timestamptz AS 'BEGIN RAISE undefined_function; END' LANGUAGE plpgsql",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			d.Exec(t, "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text AS $$SELECT 'CockroachDB CCL v24.3.5'$$ LANGUAGE sql;"+function)
			_, err := Open(t.Context(), testOptions(t, d.URL()))
			requireUnsupported(t, err, "the server is CockroachDB, not PostgreSQL; its version: CockroachDB CCL v24.3.5")
		})
	}
}

// An error of the first query on a supported server is reported unchanged.
func TestOpen_FirstQueryFails_ServerErrorReturned(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, "REVOKE SELECT ON pg_language FROM public")
	_, err := Open(t.Context(), testOptions(t, d.URL()))
	require.ErrorContains(t, err, "permission denied for table pg_language")
	require.NotNil(t, pq.As(err))
}

func requireUnsupported(t *testing.T, err error, text string) {
	t.Helper()
	var connect *ConnectError
	require.ErrorAs(t, err, &connect)
	assert.True(t, connect.Permanent)
	assert.Equal(t, 1, connect.Attempts)
	var unsupported *UnsupportedServerError
	require.ErrorAs(t, err, &unsupported)
	assert.Equal(t, text, unsupported.Error())
}

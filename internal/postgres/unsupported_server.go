package postgres

import (
	"fmt"
	"strings"

	"github.com/shiplock/shiplock/internal/text"
)

// MinMajor is the oldest supported major version of PostgreSQL, the oldest one that the tests run on. Older ones lack
// client_connection_check_interval, with which the locks of a lost migrator end.
const MinMajor = 14

// An UnsupportedServerError reports a server that is too old, or that is not PostgreSQL although it speaks PostgreSQL's
// protocol.
type UnsupportedServerError struct {
	// TooOld is set for a PostgreSQL older than MinMajor.
	TooOld bool
	// Product is the other product, such as "CockroachDB", or "" if version() names no known one.
	Product string
	// Version is the version of a PostgreSQL, as in "13.23", and otherwise the result of version(), which may be "".
	Version string
}

func (e *UnsupportedServerError) Error() string {
	if e.TooOld {
		return fmt.Sprintf("the server is PostgreSQL %s; version %d or newer is required", e.Version, MinMajor)
	}
	message := "the server is not PostgreSQL"
	if e.Product != "" {
		message = fmt.Sprintf("the server is %s, not PostgreSQL", e.Product)
	}
	if e.Version != "" {
		message += "; its version: " + text.CleanLine(e.Version)
	}
	return message
}

// products are products that speak PostgreSQL's protocol, by a part of their version(). They lack what Shiplock relies on:
// session advisory locks, DDL in transactions, or the system catalogs. Products that are PostgreSQL with additions, such as
// Aurora PostgreSQL, AlloyDB and Timescale, return PostgreSQL's version().
var products = []struct{ versionPart, name string }{
	{"CockroachDB", "CockroachDB"},
	{"-YB-", "YugabyteDB"},
	{"Redshift", "Amazon Redshift"},
	{"WarehousePG", "WarehousePG"},
	{"Greenplum", "Greenplum"},
	{"Cloudberry", "Apache Cloudberry"},
	{"Materialize", "Materialize"},
	{"RisingWave", "RisingWave"},
}

// unsupportedServer returns the reason not to use a server, or nil. version is the result of version(), or "" if it could not
// be read; address is the server's address.
func unsupportedServer(version, address string) error {
	for _, product := range products {
		if strings.Contains(version, product.versionPart) {
			return &UnsupportedServerError{Product: product.name, Version: version}
		}
	}
	// version() of Aurora DSQL is that of PostgreSQL. The endpoints of its clusters have these names.
	if strings.Contains(address, ".dsql.") && strings.Contains(address, ".on.aws") {
		return &UnsupportedServerError{Product: "Amazon Aurora DSQL", Version: version}
	}
	if version == "" {
		return nil
	}
	words := strings.Fields(version)
	if words[0] != "PostgreSQL" && words[0] != "EnterpriseDB" || len(words) == 1 {
		return &UnsupportedServerError{Version: version}
	}
	var major int
	if _, err := fmt.Sscanf(words[1], "%d", &major); err == nil && major < MinMajor {
		return &UnsupportedServerError{TooOld: true, Version: words[1]}
	}
	return nil
}

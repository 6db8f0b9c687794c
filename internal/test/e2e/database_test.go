package e2e

import (
	"context"
	"fmt"

	"github.com/lib/pq"
	"github.com/rogpeppe/go-internal/testscript"
)

// databaseCommand:
//
//	database VARIABLE
//
// creates another database for the scenario, with the same role and password, and sets the variable to its name.
func databaseCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("database VARIABLE")
	}
	owner := ts.Getenv("DB_NAME")
	name := owner + "-more"
	create := fmt.Sprintf("CREATE DATABASE %s OWNER %s", pq.QuoteIdentifier(name), pq.QuoteIdentifier(owner))
	_, err := suite.database.Query(context.Background(), "postgres", "postgres", create)
	ts.Check(err)
	// Before the scenario's teardown drops the role, which owns it.
	ts.Defer(func() {
		drop := fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", pq.QuoteIdentifier(name))
		if _, err := suite.database.Query(context.Background(), "postgres", "postgres", drop); err != nil {
			ts.Logf("database not deleted: %v", err)
		}
	})
	ts.Setenv(args[0], name)
}

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lib/pq"
)

// schemaCommand:
//
//	schema
//
// prints the objects of the scenario's schema with their definitions, by the query of `migrator rehearse`, without Shiplock's own
// tables.
func schemaCommand(ctx context.Context, args []string) error {
	if len(args) != 0 {
		return errors.New("schema takes no arguments")
	}
	text, err := os.ReadFile(os.Getenv("FINGERPRINT"))
	if err != nil {
		return err
	}
	ownTables := []string{"public", "schema_migrations_history", "schema_migrations_exec_history"}
	all := string(text)
	for i, name := range ownTables {
		all = strings.ReplaceAll(all, fmt.Sprintf("$%d", i+1), pq.QuoteLiteral(name))
	}
	// With an empty search path, every name is qualified.
	out, err := query(ctx, "SET search_path = ''", strings.TrimSuffix(strings.TrimSpace(all), ";")+" ORDER BY 1, 2")
	if err == nil && strings.Count(out, "\n") < 10 {
		err = errors.New("the schema is empty")
	}
	fmt.Print(out)
	return err
}

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
// prints all that the scenario's schema is made of, by the query that `migrator rehearse` compares with: every object with its
// definition, but for our own tables.
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
	// With an empty path every name is printed in full.
	out, err := query(ctx, "SET search_path = ''", strings.TrimSuffix(strings.TrimSpace(all), ";")+" ORDER BY 1, 2")
	if err == nil && strings.Count(out, "\n") < 10 {
		err = errors.New("there is no schema to speak of")
	}
	fmt.Print(out)
	return err
}

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// leaksCommand:
//
//	leaks MARK...
//
// searches all that the scenario has left behind for the marks, in clear and in the forms that a mark may take: Helm's stored
// releases, objects, kubectl describe, logs, the journals, and what other roles see of the sessions. It prints how much it has
// searched, and fails with the places that have one. The chart's own Secret is the place where they belong, and is left out.
func leaksCommand(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("leaks MARK...")
	}
	cluster, err := client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	texts, err := cluster.Stored(ctx)
	if err != nil {
		return err
	}
	for _, table := range []string{"schema_migrations_history", "schema_migrations_exec_history", "pg_stat_activity"} {
		// A table that is not there has nothing in it.
		rows, err := query(ctx, fmt.Sprintf(`SELECT coalesce(string_agg(x::text, E'\n'), '') FROM (SELECT query_to_xml(
			'SELECT * FROM ' || to_regclass('%[1]s')::text, true, true, '') AS x) t`, table))
		if err != nil {
			return err
		}
		texts["table "+table] = rows
	}
	size, found := 0, []string{}
	for _, place := range slices.Sorted(maps.Keys(texts)) {
		size += len(texts[place])
		for _, mark := range args {
			for form, text := range encodings(mark) {
				if strings.Contains(texts[place], text) {
					found = append(found, fmt.Sprintf("%s (%s) is in %s", mark, form, place))
				}
			}
		}
	}
	fmt.Printf("searched %d places, %d bytes\n", len(texts), size)
	if len(found) > 0 {
		slices.Sort(found)
		return fmt.Errorf("found:\n%s", strings.Join(found, "\n"))
	}
	return nil
}

// forms are the ways in which a mark may stand somewhere. Base64 of a text that holds it depends on where in the text it begins:
// there are three ways, and of each the part that does not depend on the text around it.
func encodings(mark string) map[string]string {
	all := map[string]string{"as it is": mark, "in a URL": url.QueryEscape(mark), "in hex": hex.EncodeToString([]byte(mark))}
	if quoted, err := json.Marshal(mark); err == nil {
		all["in JSON"] = strings.Trim(string(quoted), `"`)
	}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), mark...))
		whole := (before + len(mark)) / 3 * 4 // characters that have no bits of what follows
		all[fmt.Sprintf("in base64, %d", before)] = encoded[[]int{0, 2, 3}[before]:whole]
	}
	return all
}

// A mark is found in base64 wherever in the text it stands.
func TestForms_Base64_MarkIsFound(t *testing.T) {
	t.Parallel()
	const mark = "marked-password"
	for before := range 7 {
		for after := range 4 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + mark + strings.Repeat("y", after)))
			seen := slices.ContainsFunc(slices.Collect(maps.Values(encodings(mark))), func(form string) bool { return strings.Contains(text, form) })
			assert.True(t, seen, "%d before, %d after: %s", before, after, text)
		}
	}
	for form, text := range encodings(mark) {
		assert.GreaterOrEqual(t, len(text), len(mark), form)
	}
}

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
// searches Helm's stored releases, objects, kubectl describe, logs, history tables, and the sessions as other roles see them for
// the marks, in clear and encoded. It prints the size of the searched text, and fails with the places of the marks. It does not
// search the chart's own Secret.
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
		// A table that does not exist is empty.
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

// encodings returns the possible encodings of a mark. Its base64 encoding depends on its position in the text modulo three. Each of
// the three is without the characters that depend on the surrounding text.
func encodings(mark string) map[string]string {
	all := map[string]string{"unencoded": mark, "in a URL": url.QueryEscape(mark), "in hex": hex.EncodeToString([]byte(mark))}
	if quoted, err := json.Marshal(mark); err == nil {
		all["in JSON"] = strings.Trim(string(quoted), `"`)
	}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), mark...))
		whole := (before + len(mark)) / 3 * 4 // characters without bits of the following text
		all[fmt.Sprintf("in base64, %d", before)] = encoded[[]int{0, 2, 3}[before]:whole]
	}
	return all
}

// TestForms_Base64_MarkIsFound checks each position of a mark in a base64 text.
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

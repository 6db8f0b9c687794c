package docs

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/migrator"
	"github.com/shiplock/shiplock/internal/rehearsal"
	"github.com/shiplock/shiplock/internal/status"
)

// TestJSON_Fields_Documented checks the fields of the JSON output of each command.
func TestJSON_Fields_Documented(t *testing.T) {
	page := read(t, "docs/reference/json.md")
	for heading, output := range map[string]any{
		"migrator status":                           status.Status{},
		"migrator history":                          status.History{},
		"migrator plan and migrator down --dry-run": migrator.Preview{},
		"migrator rehearse":                         rehearsal.Rehearsal{},
	} {
		_, section, found := strings.Cut(page, "\n## "+heading+"\n")
		assert.True(t, found, heading)
		section, _, _ = strings.Cut(section, "\n## ")
		for _, field := range jsonFields(reflect.TypeOf(output)) {
			assert.Contains(t, section, "`"+field+"`", heading)
		}
	}
}

// jsonFields returns the names of the fields of a type, and of the types of its fields.
func jsonFields(of reflect.Type) []string {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return jsonFields(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for _, f := range reflect.VisibleFields(of) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(append(names, name), jsonFields(f.Type)...)
		}
	}
	return names
}

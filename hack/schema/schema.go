// Package schema generates the descriptions and defaults in values.schema.json from values.yaml, for editors.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Describe returns the JSON schema with the comments of the values as descriptions, and the values as defaults. It changes nothing
// else: constraints, and descriptions of properties that are not in the values, are written manually.
//
// A comment belongs to the key in the next line. helm-docs adds comments that begin with "# --" to the README; other comments of maps are only
// in the schema.
func Describe(values, schema []byte) ([]byte, error) {
	var defaults map[string]any
	if err := yaml.Unmarshal(values, &defaults); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(schema))
	decoder.UseNumber()
	read, err := decode(decoder)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	root, isObject := read.(*object)
	if !isObject {
		return nil, errors.New("schema: not an object")
	}
	describe(root, "", defaults, comments(values))
	var out bytes.Buffer
	if err := encode(&out, root, ""); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func describe(schema *object, prefix string, values map[string]any, comments map[string]string) {
	properties, _ := schema.fields["properties"].(*object)
	if properties == nil {
		return
	}
	for _, name := range properties.names {
		property, isObject := properties.fields[name].(*object)
		value, known := values[name]
		if !isObject || !known {
			continue
		}
		path := prefix + name
		property.remove("description")
		property.remove("default")
		if comment := comments[path]; comment != "" {
			property.insert(0, "description", comment)
		}
		inner, isMap := value.(map[string]any)
		if isMap && property.fields["properties"] != nil && len(inner) > 0 {
			describe(property, path+".", inner, comments)
			continue // the fields have their own defaults
		}
		property.insert(len(property.names), "default", value)
	}
}

// marker matches the prefix of a helm-docs comment, with an optional type: "# -- (string or object) …".
var marker = regexp.MustCompile(`^-- (\([a-z ]+\) )?`)

var key = regexp.MustCompile(`^( *)([A-Za-z0-9_]+):`)

// comments maps the path of each key, such as "image.tag", to the text of the comment above it.
func comments(values []byte) map[string]string {
	found := map[string]string{}
	for _, c := range readComments(values) {
		found[c.path] = c.text
	}
	return found
}

// A comment is the text above a key.
type comment struct {
	path, text string
	documented bool // begins with "# --"
}

// readComments returns the comments of the keys in the order of the file.
func readComments(values []byte) []comment {
	var found []comment
	var text []string
	documented := false
	type level struct {
		indent int
		name   string
	}
	var levels []level
	for _, line := range strings.Split(string(values), "\n") {
		trimmed := strings.TrimSpace(line)
		if comment, isComment := strings.CutPrefix(trimmed, "#"); isComment {
			comment = strings.TrimSpace(comment)
			documented = documented || len(text) == 0 && strings.HasPrefix(comment, "-- ")
			text = append(text, strings.TrimSpace(marker.ReplaceAllString(comment, "")))
			continue
		}
		if m := key.FindStringSubmatch(line); m != nil {
			indent := len(m[1])
			for len(levels) > 0 && levels[len(levels)-1].indent >= indent {
				levels = levels[:len(levels)-1]
			}
			levels = append(levels, level{indent, m[2]})
			var path []string
			for _, l := range levels {
				path = append(path, l.name)
			}
			if len(text) > 0 {
				found = append(found, comment{strings.Join(path, "."), strings.Join(text, " "), documented})
			}
		}
		text, documented = nil, false // a blank line ends a comment as well
	}
	return found
}

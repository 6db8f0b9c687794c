package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// A Value is a key of values.yaml.
type Value struct {
	// Path is the key's path, such as image.tag.
	Path string
	// Description is the comment above the key.
	Description string
	// Documented reports whether the comment begins with "# --", as those of single values do; maps have a plain comment.
	Documented bool
	// Default is the value as JSON.
	Default string
}

// Values returns the keys of values.yaml that have a comment, in the order of the file.
func Values(values []byte) ([]Value, error) {
	var defaults map[string]any
	if err := yaml.Unmarshal(values, &defaults); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	var found []Value
	for _, c := range readComments(values) {
		value, err := lookUp(defaults, c.path)
		if err != nil {
			return nil, err
		}
		text := &strings.Builder{}
		encoder := json.NewEncoder(text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return nil, fmt.Errorf("%s: %w", c.path, err)
		}
		found = append(found, Value{Path: c.path, Description: c.text, Documented: c.documented, Default: strings.TrimSpace(text.String())})
	}
	return found, nil
}

func lookUp(values map[string]any, path string) (any, error) {
	var value any = values
	for _, name := range strings.Split(path, ".") {
		inside, isMap := value.(map[string]any)
		if !isMap {
			return nil, fmt.Errorf("%s is not in a map", path)
		}
		value = inside[name]
	}
	return value, nil
}

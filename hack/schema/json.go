package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// An object is a JSON object that keeps the order of its fields.
type object struct {
	names  []string
	fields map[string]any
}

func (o *object) insert(at int, name string, value any) {
	o.names = slices.Insert(o.names, at, name)
	o.fields[name] = value
}

func (o *object) remove(name string) {
	o.names = slices.DeleteFunc(o.names, func(n string) bool { return n == name })
	delete(o.fields, name)
}

// decode reads one JSON value: an *object, a []any, or what encoding/json makes of a scalar.
func decode(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := &object{fields: map[string]any{}}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := decode(d)
			if err != nil {
				return nil, err
			}
			if _, twice := o.fields[name.(string)]; twice {
				return nil, fmt.Errorf("%q is given twice", name)
			}
			o.insert(len(o.names), name.(string), value)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// encode writes a value as decode returns it, one field or item a line, indented by two spaces.
func encode(out *bytes.Buffer, value any, indent string) error {
	inner := indent + "  "
	switch v := value.(type) {
	case *object:
		if len(v.names) == 0 {
			out.WriteString("{}")
			return nil
		}
		for i, name := range v.names {
			out.WriteString(separator("{", i) + inner)
			if err := encode(out, name, inner); err != nil {
				return err
			}
			out.WriteString(": ")
			if err := encode(out, v.fields[name], inner); err != nil {
				return err
			}
		}
		out.WriteString("\n" + indent + "}")
	case []any:
		if len(v) == 0 {
			out.WriteString("[]")
			return nil
		}
		for i, item := range v {
			out.WriteString(separator("[", i) + inner)
			if err := encode(out, item, inner); err != nil {
				return err
			}
		}
		out.WriteString("\n" + indent + "]")
	case map[string]any: // a default, whose order in values.yaml is lost when it is read
		o := &object{fields: map[string]any{}}
		for name, field := range v {
			o.insert(0, name, field)
		}
		slices.Sort(o.names)
		return encode(out, o, indent)
	default:
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return err
		}
		out.Truncate(out.Len() - 1) // the encoder's line break
	}
	return nil
}

func separator(first string, i int) string {
	if i == 0 {
		return first + "\n"
	}
	return ",\n"
}

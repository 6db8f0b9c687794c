package cli

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf16"
)

// oneLine returns a copy of v whose strings fit in a table cell. Names and errors come from a
// database and from files, and may contain line breaks and terminal control characters.
// JSON output escapes them instead.
func oneLine[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(reflect.ValueOf(v))
	sanitizeStrings(out)
	return out.Interface().(T)
}

// sanitizeStrings replaces control characters in all strings of v, which must be settable.
// It copies slices, and the values of pointers, before it changes them.
func sanitizeStrings(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Map(func(r rune) rune {
			if r < ' ' || unicode.IsSpace(r) && r != ' ' {
				return unicode.ReplacementChar
			}
			return r
		}, replaceInvisible(v.String())))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				sanitizeStrings(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			to := reflect.New(v.Type().Elem())
			to.Elem().Set(v.Elem())
			sanitizeStrings(to.Elem())
			v.Set(to)
		}
	case reflect.Slice:
		if !v.IsNil() {
			to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(to, v)
			for i := range to.Len() {
				sanitizeStrings(to.Index(i))
			}
			v.Set(to)
		}
	}
}

// escapeJSON writes characters that JSON permits, and a terminal would interpret, as \uXXXX.
func escapeJSON(json []byte) string {
	var out strings.Builder
	for _, r := range string(json) {
		if r == '\n' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}

// redactAttr removes secrets, and characters that a terminal would interpret, from a log
// attribute. The log handlers themselves escape line breaks and the other C0 controls.
func (a *app) redactAttr(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case string:
		attr.Value = slog.StringValue(replaceInvisible(a.redact(v)))
	case error:
		attr.Value = slog.StringValue(replaceInvisible(a.redact(v.Error())))
	case []string:
		shown := make([]string, len(v))
		for i, s := range v {
			shown[i] = replaceInvisible(a.redact(s))
		}
		attr.Value = slog.AnyValue(shown)
	}
	return attr
}

// replaceInvisible replaces characters that are neither printable nor white space, such as C1
// controls and marks that change the writing direction.
func replaceInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r != '\n' && !unicode.IsPrint(r) && !unicode.IsSpace(r) || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

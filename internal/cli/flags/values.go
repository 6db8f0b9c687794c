package flags

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// A value is a pflag.Value that stores in target what parse returns. Its default is the
// target's value when the flag is added.
type value[T any] struct {
	target *T
	kind   string // as the help shows it
	parse  func(string) (T, error)
	text   func(T) string
}

func (v value[T]) String() string {
	if v.target == nil { // pflag calls String on a zero value
		return ""
	}
	return v.text(*v.target)
}

func (v value[T]) Type() string { return v.kind }

func (v value[T]) Set(s string) error {
	parsed, err := v.parse(s)
	if err == nil {
		*v.target = parsed
	}
	return err
}

// Choice returns a value that is one of allowed.
func Choice[T ~string](target *T, allowed ...T) pflag.Value {
	return value[T]{target, "string", func(s string) (T, error) {
		if !slices.Contains(allowed, T(s)) {
			return "", &ValueError{Value: strconv.Quote(s), Want: alternatives(allowed)}
		}
		return T(s), nil
	}, func(v T) string { return string(v) }}
}

// alternatives returns "a, b or c".
func alternatives[T ~string](allowed []T) string {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Level returns a value that is the level of a log.
func Level(target *slog.Level) pflag.Value {
	return value[slog.Level]{target, "string", func(s string) (slog.Level, error) {
		var level slog.Level
		if err := level.UnmarshalText([]byte(s)); err != nil {
			return 0, &ValueError{Value: strconv.Quote(s), Want: "debug, info, warn or error"}
		}
		return level, nil
	}, func(l slog.Level) string { return strings.ToLower(l.String()) }}
}

// Duration returns a value that is a duration of 0 or more. example ends the text of the
// error, such as "10s".
func Duration(target *time.Duration, example string) pflag.Value {
	return value[time.Duration]{target, "duration", func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && d < 0 {
			err = &ValueError{Value: d.String(), Want: "0 or more, such as " + example}
		}
		return d, err
	}, time.Duration.String}
}

// Count returns a value that is a number of 0 or more. want describes the numbers in the
// text of the error.
func Count(target *int, want string) pflag.Value {
	return value[int]{target, "int", func(s string) (int, error) {
		n, err := strconv.ParseInt(s, 0, 0)
		if err == nil && n < 0 {
			err = &ValueError{Value: strconv.FormatInt(n, 10), Want: want}
		}
		return int(n), err
	}, strconv.Itoa}
}

// Checked returns a value that is a text for which valid returns true. want describes these
// texts in the text of the error.
func Checked(target *string, want string, valid func(string) bool) pflag.Value {
	return value[string]{target, "string", func(s string) (string, error) {
		if !valid(s) {
			return "", &ValueError{Value: strconv.Quote(s), Want: want}
		}
		return s, nil
	}, func(s string) string { return s }}
}

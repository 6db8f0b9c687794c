package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFoldLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want []string
	}{
		"short":      {"a b", []string{"a b"}},
		"words":      {strings.Repeat("a", 150) + " " + strings.Repeat("b", 100), []string{strings.Repeat("a", 150) + " ", strings.Repeat("b", 100)}},
		"one word":   {strings.Repeat("a", 450), []string{strings.Repeat("a", 200), strings.Repeat("a", 200), strings.Repeat("a", 50)}},
		"characters": {"a" + strings.Repeat("é", 120), []string{"a" + strings.Repeat("é", 99), strings.Repeat("é", 21)}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, fold(c.line)) })
	}
}

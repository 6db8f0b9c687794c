package planner

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/shiplock/shiplock/internal/source"
)

func TestWithoutDown_Steps_ListsVersions(t *testing.T) {
	for _, c := range []struct {
		without, with int // so many versions, from 1
		direction     source.Direction
		want          string
	}{
		{0, 0, source.Up, ""},
		{0, 2, source.Up, ""},
		{1, 1, source.Up, "1"},
		{10, 0, source.Up, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"},
		{12, 3, source.Up, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 2 more"},
		{2, 0, source.Down, ""}, // ForDown refuses these itself
	} {
		var p Plan
		for i := range c.without + c.with {
			m := source.Migration{Version: uint(i + 1)}
			if i >= c.without {
				m.Down = "x.down.sql"
			}
			p.Steps = append(p.Steps, Step{Migration: m, Direction: c.direction})
		}
		assert.Equal(t, c.want, p.WithoutDown())
	}
}

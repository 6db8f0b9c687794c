package main

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// fewPoints is up to how many places of measurement are the ticks of an axis.
const fewPoints = 10

// places are ticks where something was measured; nil where that is nearly everywhere.
func (p picture) places() plot.Ticker {
	var at []float64
	for _, s := range p.Series {
		for _, xy := range s.Points {
			at = append(at, xy[0])
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) == 0 || len(at) > fewPoints {
		return nil
	}
	var ticks plot.ConstantTicks
	for _, x := range at {
		ticks = append(ticks, plot.Tick{Value: x, Label: number(x)})
	}
	return ticks
}

// decades are the ticks of a logarithmic axis: each 1, 2 and 5 has its number where
// there are few, else each power of ten.
type decades struct{}

// Ticks is part of plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	const few = 2.5 // powers of ten
	all := math.Log10(high/low) < few
	var ticks []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for digit := 1.0; digit < 10; digit++ {
			v := digit * math.Pow(10, power)
			if v < low*0.999 || v > high*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if digit == 1 || all && (digit == 2 || digit == 5) {
				t.Label = number(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

package main

import (
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
)

// fewPoints is the maximum number of x values that are the ticks of an axis.
const fewPoints = 10

// places returns ticks at the x values, or nil if there are too many.
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

// decades are the ticks of a logarithmic axis. Each power of ten has a label, and on a short axis also
// its double and its fivefold.
type decades struct{}

// Ticks implements plot.Ticker.
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

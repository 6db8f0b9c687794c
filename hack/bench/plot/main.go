// Command plot draws the plots of the benchmarks' raw results as SVG. It is a separate module, so
// that its dependencies are not the migrator's.
//
//	cd hack/bench/plot && go run . ../../../docs/benchmarks
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A picture is the plot of a result, as written by package result of the main module.
type picture struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	X      string `json:"x"`
	Y      string `json:"y"`
	LogX   bool   `json:"log_x"`
	LogY   bool   `json:"log_y"`
	Series []struct {
		Name   string       `json:"name"`
		Points [][2]float64 `json:"points"`
	} `json:"series"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: plot FOLDER")
		os.Exit(2)
	}
	if err := all(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func all(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "raw", "*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var figure struct {
			Plots []picture `json:"plots"`
		}
		if err := json.Unmarshal(text, &figure); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, p := range figure.Plots {
			if err := p.draw(filepath.Join(dir, p.Name+".svg")); err != nil {
				return fmt.Errorf("%s: %s: %w", path, p.Name, err)
			}
		}
	}
	return nil
}

func (p picture) draw(path string) error {
	out := plot.New()
	out.Title.Text, out.X.Label.Text, out.Y.Label.Text = p.Title, p.X, p.Y
	out.BackgroundColor = color.White // for pages with a dark background
	out.Legend.Top, out.Legend.Left = true, true
	out.Add(plotter.NewGrid())
	for i, s := range p.Series {
		if len(s.Points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(p.points(s.Points))
		if err != nil {
			return err
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.2)
		dots.Color, dots.Radius, dots.Shape = line.Color, vg.Points(1.5), draw.CircleGlyph{}
		out.Add(line, dots)
		out.Legend.Add(s.Name, line)
	}
	if p.LogX {
		out.X.Scale, out.X.Tick.Marker = plot.LogScale{}, decades{}
	}
	if places := p.places(); places != nil {
		out.X.Tick.Marker = places
	}
	if p.LogY {
		out.Y.Scale, out.Y.Tick.Marker = plot.LogScale{}, decades{}
	}
	const margin = 0.35 // for the legend
	if p.LogY {
		out.Y.Max *= math.Pow(out.Y.Max/out.Y.Min, margin)
	} else {
		out.Y.Max += margin * (out.Y.Max - out.Y.Min)
	}
	return out.Save(18*vg.Centimeter, 10*vg.Centimeter, path)
}

// points returns the points of a line. On a logarithmic axis, values below the minimum become the minimum.
func (p picture) points(from [][2]float64) plotter.XYs {
	const least = 0.01
	out := make(plotter.XYs, len(from))
	for i, xy := range from {
		out[i].X, out[i].Y = xy[0], xy[1]
		if p.LogX {
			out[i].X = max(out[i].X, least)
		}
		if p.LogY {
			out[i].Y = max(out[i].Y, least)
		}
	}
	return out
}

// palette is the palette of Okabe and Ito, which is accessible with color vision deficiency.
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255},
}

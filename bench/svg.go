package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is a line chart.
type plot struct {
	file, title string
	x, y        axis
	lines       []series
}

// axis is one of its axes. A logarithmic one begins and ends at a power of ten
// or at twice or five times one; the others begin at 0 and end at max, or, where
// that is 0, at a round number.
type axis struct {
	label string
	log   bool
	max   float64
}

// series is a named line. On logarithmic axes points that are not above 0 are
// left out.
type series struct {
	name   string
	points [][2]float64
}

// The picture's size and the chart's place in it.
const (
	width, height           = 720.0, 400.0
	left, right, top, below = 70.0, 20.0, 60.0, 60.0
)

// colours that people with any colour vision can tell apart, and dashes for
// printers.
var (
	colours = []string{"#0072b2", "#d55e00", "#009e73", "#555555"}
	dashes  = []string{"", "8 4", "2 3", "10 3 2 3"}
)

// svg draws it. The background is white also where the page is dark.
func (p plot) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%g" y="24" font-size="16">%s</text>`+"\n", left, html.EscapeString(p.title))
	x := p.x.scale(p.values(0), left, width-right)
	y := p.y.scale(p.values(1), height-below, top)
	for _, v := range x.ticks {
		fmt.Fprintf(&b, `<path d="M%.1f %g V%g" stroke="#ddd"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n",
			x.at(v), top, height-below, x.at(v), height-below+18, short(v))
	}
	for _, v := range y.ticks {
		fmt.Fprintf(&b, `<path d="M%g %.1f H%g" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y.at(v), width-right, left-8, y.at(v)+4, short(v))
	}
	fmt.Fprintf(&b, `<path d="M%g %g V%g H%g" fill="none" stroke="#000"/>`+"\n", left, top, height-below, width-right)
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-16, html.EscapeString(p.x.label))
	fmt.Fprintf(&b, `<text transform="translate(18 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-below)/2, html.EscapeString(p.y.label))
	for i, s := range p.lines {
		colour, dash := colours[i%len(colours)], dashes[i%len(dashes)]
		b.WriteString(s.path(x, y, colour, dash))
		at := left + 10 + 150*float64(i)
		fmt.Fprintf(&b, `<path d="M%g 38 h28" stroke="%s" stroke-width="2.5" stroke-dasharray="%s"/><text x="%g" y="42">%s</text>`+"\n",
			at, colour, dash, at+34, html.EscapeString(s.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// path draws a line, with dots where these are few.
func (s series) path(x, y scale, colour, dash string) string {
	var line, dots strings.Builder
	command := "M"
	for _, p := range s.points {
		if !x.shows(p[0]) || !y.shows(p[1]) {
			continue
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", command, x.at(p[0]), y.at(p[1]))
		command = " L"
		if len(s.points) <= 12 {
			fmt.Fprintf(&dots, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x.at(p[0]), y.at(p[1]), colour)
		}
	}
	return fmt.Sprintf(`<path d="%s" fill="none" stroke="%s" stroke-width="2.5" stroke-dasharray="%s"/>%s`+"\n", line.String(), colour, dash, dots.String())
}

// values are those of all points on one axis.
func (p plot) values(axis int) (list []float64) {
	for _, s := range p.lines {
		for _, point := range s.points {
			list = append(list, point[axis])
		}
	}
	return list
}

// scale maps values from low to high to the picture.
type scale struct {
	log       bool
	low, high float64
	from, to  float64
	ticks     []float64
}

// scale chooses one for the values.
func (a axis) scale(values []float64, from, to float64) scale {
	s := scale{log: a.log, from: from, to: to}
	if a.log {
		s.low, s.high = math.Inf(1), 0
		for _, v := range values {
			if v > 0 {
				s.low, s.high = min(s.low, v), max(s.high, v)
			}
		}
		if s.high == 0 {
			s.low, s.high = 1, 10
		}
		s.ticks = decades(s.low, s.high)
		s.low, s.high = s.ticks[0], s.ticks[len(s.ticks)-1]
		return s
	}
	s.high = a.max
	if s.high == 0 {
		for _, v := range values {
			s.high = max(s.high, v)
		}
	}
	step := roundStep(s.high / 5)
	if a.max == 0 {
		s.high = step * max(math.Ceil(s.high/step-1e-9), 1)
	}
	for i := 0.0; i*step <= s.high*(1+1e-9); i++ {
		s.ticks = append(s.ticks, i*step)
	}
	return s
}

// decades returns 1, 2 and 5 times the powers of ten from the last at or below
// low to the first at or above high, two at least.
func decades(low, high float64) (ticks []float64) {
	for e := math.Floor(math.Log10(low)); ; e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			if v <= low*(1+1e-9) {
				ticks = ticks[:0]
			}
			ticks = append(ticks, v)
			if v >= high*(1-1e-9) && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

// roundStep returns the first of 1, 2, 2.5, 5 and 10 times a power of ten that
// is not below v.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (s scale) shows(v float64) bool { return !s.log || v > 0 }

// at returns where a value is in the picture.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// short writes thousands as k.
func short(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%gk", v/1000)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}

package main

import (
	"encoding/xml"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	p := plot{
		title: `a < b & "c"`, x: axis{label: "per <second>", log: true}, y: axis{label: "%", max: 100},
		lines: []series{
			{"one & two", [][2]float64{{0, 10}, {1, 0}, {100, 100}}},
			{"three", [][2]float64{{10, 50}}},
		},
	}
	text := p.svg()
	words, circles := "", 0
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch e := token.(type) {
		case xml.CharData:
			words += string(e) + "\n"
		case xml.StartElement:
			if e.Name.Local == "circle" {
				circles++
			}
		}
	}
	for _, want := range []string{p.title, "per <second>", "%", "one & two", "three", "100"} {
		if !strings.Contains(words, want+"\n") {
			t.Errorf("no %q among\n%s", want, words)
		}
	}
	// A logarithm of 0 has no place.
	if circles != 3 {
		t.Errorf("%d dots, want 3", circles)
	}
	// From the lower left corner to the upper right one.
	if want := `d="M70.0 340.0 L700.0 60.0"`; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	for _, empty := range []plot{{}, {x: axis{log: true}, y: axis{log: true}}} {
		if text := empty.svg(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("without points:\n%s", text)
		}
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		a      axis
		values []float64
		ticks  []float64
	}{
		{axis{}, []float64{0, 500}, []float64{0, 100, 200, 300, 400, 500}},
		{axis{}, []float64{36.2}, []float64{0, 10, 20, 30, 40}},
		{axis{max: 100}, []float64{3}, []float64{0, 20, 40, 60, 80, 100}},
		{axis{}, nil, []float64{0, 1}},
		{axis{log: true}, []float64{1000, 200_000}, []float64{1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5}},
		{axis{log: true}, []float64{1.2, 61}, []float64{1, 2, 5, 10, 20, 50, 100}},
		{axis{log: true}, []float64{0.3, 0.4}, []float64{0.2, 0.5}},
		{axis{log: true}, []float64{5}, []float64{5, 10}},
		{axis{log: true}, []float64{0, -1}, []float64{1, 2, 5, 10}},
	} {
		s := c.a.scale(c.values, 100, 200)
		if !slices.EqualFunc(s.ticks, c.ticks, func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*b }) {
			t.Errorf("%+v of %v: ticks %v, want %v", c.a, c.values, s.ticks, c.ticks)
		}
		if first, last := s.at(s.low), s.at(s.high); math.Abs(first-100) > 1e-9 || math.Abs(last-200) > 1e-9 {
			t.Errorf("%+v of %v: from %v to %v", c.a, c.values, first, last)
		}
	}
	s := axis{log: true}.scale([]float64{1, 100}, 0, 10)
	if got := s.at(10); math.Abs(got-5) > 1e-9 {
		t.Errorf("10 between 1 and 100 is at %v of 10", got)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 999: "999", 1000: "1k", 2500: "2.5k", 200_000: "200k", 0.1 + 0.2: "0.3"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}

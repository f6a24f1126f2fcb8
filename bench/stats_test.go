package main

import (
	"slices"
	"testing"
	"time"
)

func upTo(n int) (list []time.Duration) {
	for i := n; i > 0; i-- { // falling: the functions have to sort
		list = append(list, time.Duration(i)*time.Millisecond)
	}
	return list
}

func TestPercentile(t *testing.T) {
	for _, c := range []struct {
		n, p, want int
	}{
		{1, 50, 1}, {1, 99, 1}, {1, 0, 1}, {2, 50, 1}, {2, 51, 2},
		{100, 50, 50}, {100, 99, 99}, {100, 100, 100}, {50, 99, 50}, {200, 99, 198}, {3, 0, 1},
	} {
		if got := percentile(upTo(c.n), c.p); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("percentile %d of 1 to %d: %v, want %d ms", c.p, c.n, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 3, 2, 1}, 2.5},
	} {
		if got := median(c.list); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.list, got, c.want)
		}
	}
}

func TestDistribution(t *testing.T) {
	want := [][2]float64{{1, 25}, {2, 50}, {3, 75}, {4, 100}}
	if got := distribution(upTo(4)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := millis(1234567 * time.Nanosecond); got != "1.23" {
		t.Errorf("millis: %q", got)
	}
}

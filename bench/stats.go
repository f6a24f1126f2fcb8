package main

import (
	"fmt"
	"slices"
	"time"
)

// percentile returns the smallest value that p percent of the list do not
// exceed. The list must not be empty.
func percentile(list []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}

// median returns the middle value, or the mean of the two in the middle; 0 of
// none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// distribution returns, for each value in milliseconds, how many percent do not
// exceed it, in rising order.
func distribution(list []time.Duration) (points [][2]float64) {
	for i, d := range slices.Sorted(slices.Values(list)) {
		points = append(points, [2]float64{d.Seconds() * 1e3, 100 * float64(i+1) / float64(len(list))})
	}
	return points
}

// millis writes a time in milliseconds.
func millis(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }

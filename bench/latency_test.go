package bench_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	warmUp = 20
	knocks = 200 // with warmUp at most 254, the addresses of a /24
)

func BenchmarkLatency(b *testing.B) {
	list := contenders(b)
	took := make([][]time.Duration, len(list))
	pause := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		for i := range took {
			took[i] = took[i][:0]
		}
		for round := range warmUp + knocks {
			// No address knocks twice, so that no open door is in the way.
			src := fmt.Sprintf("198.51.100.%d", 1+round)
			for i, c := range list {
				time.Sleep(time.Duration(pause.Int64N(int64(50 * time.Millisecond))))
				d, err := c.once(src)
				if err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
				if round >= warmUp {
					took[i] = append(took[i], d)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of no use here
	var table strings.Builder
	fmt.Fprintf(&table, "last SYN to command running, %d knocks each\n%-8s %9s %9s\n", knocks, "", "p50 ms", "p99 ms")
	p50 := make(map[string]float64)
	for i, c := range list {
		half, most := percentile(took[i], 50), percentile(took[i], 99)
		p50[c.name] = half
		b.ReportMetric(half, c.name+"-p50-ms")
		b.ReportMetric(most, c.name+"-p99-ms")
		fmt.Fprintf(&table, "%-8s %9.2f %9.2f\n", c.name, half, most)
	}
	ratio(b, &table, p50, "sesame", "floor")
	ratio(b, &table, p50, "knockd", "sesame")
	b.Log(table.String())
}

// percentile returns the smallest value, in milliseconds, that p percent of
// the list do not exceed.
func percentile(list []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return float64(sorted[(len(sorted)*p+99)/100-1]) / float64(time.Millisecond)
}

func ratio(b *testing.B, table *strings.Builder, of map[string]float64, over, under string) {
	if of[over] == 0 || of[under] == 0 {
		return
	}
	r := of[over] / of[under]
	b.ReportMetric(r, over+"/"+under+"-p50")
	fmt.Fprintf(table, "p50 of %s over %s: %.2f\n", over, under, r)
}

package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const idle = 10 * time.Second

// usage is what a process holds and has done, from proc(5).
type usage struct {
	rss, pss int // KiB
	switches int // voluntary and involuntary, of all threads
}

func BenchmarkIdle(b *testing.B) {
	list := contenders(b)
	var table strings.Builder
	for b.Loop() {
		table.Reset()
		start := make([]usage, len(list))
		for i, c := range list {
			start[i] = c.usage(b)
		}
		time.Sleep(idle)
		fmt.Fprintf(&table, "idle for %v\n%-8s %9s %9s %9s %9s %9s\n", idle, "",
			"RSS KiB", "PSS KiB", "RSS then", "PSS then", "switches")
		for i, c := range list {
			s, e := start[i], c.usage(b)
			fmt.Fprintf(&table, "%-8s %9d %9d %9d %9d %9d\n", c.name, s.rss, s.pss, e.rss, e.pss, e.switches-s.switches)
			b.ReportMetric(float64(e.rss), c.name+"-rss-KiB")
			b.ReportMetric(float64(e.pss), c.name+"-pss-KiB")
			b.ReportMetric(float64(e.switches-s.switches), c.name+"-switches")
		}
	}
	b.ReportMetric(0, "ns/op") // of no use here
	b.Log(table.String())
}

func (c *contender) usage(b *testing.B) usage {
	b.Helper()
	pid, err := c.process.PID()
	check(b, err)
	dir := fmt.Sprintf("/proc/%d", pid)
	memory, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	check(b, err)
	u := usage{rss: number(b, memory, "Rss:"), pss: number(b, memory, "Pss:")}
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	check(b, err)
	for _, path := range threads {
		status, err := os.ReadFile(path)
		check(b, err)
		u.switches += number(b, status, "voluntary_ctxt_switches:") + number(b, status, "nonvoluntary_ctxt_switches:")
	}
	return u
}

// number returns the number that follows key at the start of a line.
func number(b *testing.B, text []byte, key string) int {
	b.Helper()
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			n := 0
			if _, err := fmt.Sscan(rest, &n); err != nil {
				b.Fatalf("%s: %v", l, err)
			}
			return n
		}
	}
	b.Fatalf("no %s in %s", key, text)
	return 0
}

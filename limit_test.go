package main

import (
	"math"
	"testing"
	"time"

	"sesame/matcher"
)

const second = matcher.Time(time.Second)

func sourceOf(i int) *matcher.Addr {
	return &matcher.Addr{10: 0xff, 11: 0xff, 12: 198, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
}

func summaries(l *limiter, now matcher.Time) (lines []string) {
	for {
		line, ok := l.summary(now)
		if !ok {
			return lines
		}
		lines = append(lines, line)
	}
}

func TestLimiter(t *testing.T) {
	l := &limiter{next: matcher.Never}
	for i := range limitLines {
		if !l.allow(second, firstStage, sourceOf(i)) {
			t.Fatalf("line %d is left out", i+1)
		}
	}
	if l.next != matcher.Never {
		t.Error("a deadline, and nothing was left out")
	}
	for i := range 1234 {
		if l.allow(2*second, firstStage, sourceOf(i%300)) {
			t.Fatal("a line too many")
		}
	}
	if !l.allow(2*second, timedOut, sourceOf(0)) {
		t.Error("another kind is limited as well")
	}
	if l.next != 11*second || summaries(l, 11*second-1) != nil || l.next != 11*second {
		t.Errorf("the summary comes at %v", l.next)
	}
	got := summaries(l, 11*second)
	if len(got) != 1 || got[0] != "… and 1,234 more Stage 1 from 300 addresses in 10 s" || l.next != matcher.Never {
		t.Errorf("%q, next at %v", got, l.next)
	}
	if !l.allow(12*second, firstStage, sourceOf(0)) {
		t.Error("left out in the next 10 s")
	}
}

// TestLimiterLate has the summary come later than it should: nothing is counted
// twice, and nothing is left out of it.
func TestLimiterLate(t *testing.T) {
	l := &limiter{}
	for _, kind := range []lineKind{firstStage, timedOut} {
		for i := range limitLines + 5 {
			l.allow(second, kind, sourceOf(i))
		}
	}
	if l.allow(30*second, firstStage, sourceOf(0)) {
		t.Error("logged before what was left out")
	}
	if line, ok := l.summary(30 * second); !ok || line != "… and 6 more Stage 1 from 6 addresses in 10 s" || l.next > 30*second {
		t.Errorf("%q, %v, the other is due at %v", line, ok, l.next)
	}
}

// TestLimiterQuiet begins anew when the time is over and nothing was left out.
func TestLimiterQuiet(t *testing.T) {
	l := &limiter{next: matcher.Never}
	for i := range 10 * limitLines {
		if !l.allow(matcher.Time(i)*second/10+1, laterStage, sourceOf(i)) {
			t.Fatalf("10 lines a second: the one at %d is left out", i)
		}
	}
}

func TestLimiterKinds(t *testing.T) {
	l := &limiter{next: matcher.Never}
	for kind := range lineKinds {
		for i := range limitLines + 1 + int(kind) {
			l.allow(1, kind, sourceOf(i))
		}
	}
	if got := summaries(l, 100*second); len(got) != int(lineKinds) || got[4] != "… and 5 more port scans from 5 addresses in 10 s" {
		t.Errorf("%q", got)
	}
}

func TestLimiterNoAllocs(t *testing.T) {
	l := &limiter{next: matcher.Never}
	i := 0
	if n := testing.AllocsPerRun(10000, func() { i++; l.allow(1, firstStage, sourceOf(i)) }); n > 1 { // sourceOf's
		t.Errorf("%v allocations a line", n)
	}
}

func TestAddresses(t *testing.T) {
	for _, want := range []int{0, 1, 300, 384, 1000, 48190, 1 << 20} {
		var a addresses
		for range 2 {
			for i := range want {
				a.add(sourceOf(i))
			}
		}
		n, exact := a.count()
		off := math.Abs(float64(n)-float64(want)) / math.Max(1, float64(want))
		if exact != (want <= len(a.hashes)*3/4) || exact && n != uint64(want) || off > 0.2 {
			t.Errorf("%d addresses: counted %d, exact %v", want, n, exact)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 48211: "48,211", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

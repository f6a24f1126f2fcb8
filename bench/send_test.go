package main

import (
	"slices"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	for _, c := range []struct {
		rate    int
		elapsed time.Duration
		want    int
	}{
		{1000, 0, 0}, {1000, 999 * time.Microsecond, 0}, {1000, time.Millisecond, 1},
		{200_000, 500 * time.Microsecond, 100}, {200_000, 10 * time.Second, 2_000_000},
		{3, time.Second, 3}, {1_000_000, time.Minute, 60_000_000},
	} {
		if got := due(c.rate, c.elapsed); got != c.want {
			t.Errorf("due(%d, %v) = %d, want %d", c.rate, c.elapsed, got, c.want)
		}
	}
}

// Whenever a sender looks, it has sent what the rate says to within one frame.
func TestDueAddsUp(t *testing.T) {
	for _, rate := range []int{1, 7, 1000, 49_999, 200_000} {
		sent := 0
		for at := time.Duration(0); at <= 3*time.Second; at += 333_333 {
			sent += due(rate, at) - sent
			if want := float64(rate) * at.Seconds(); float64(sent) > want+0.001 || float64(sent) < want-1.5 {
				t.Fatalf("rate %d, after %v: %d, want %f", rate, at, sent, want)
			}
		}
	}
}

func TestLoadWithoutEnd(t *testing.T) {
	if _, err := (&wire{fd: -1}).send(load{frame: make([]byte, 60), count: 1}); err == nil {
		t.Error("a load without a limit was sent")
	}
}

func TestSchedule(t *testing.T) {
	who := sources(honest4, 2)
	list := schedule(tcp, who, time.Second, 15*time.Millisecond, 10*time.Millisecond)
	var at []int
	for _, s := range list {
		at = append(at, int((s.at-time.Second)/time.Millisecond))
	}
	if want := []int{0, 10, 15, 20, 25, 35}; !slices.Equal(at, want) {
		t.Errorf("at %v, want %v", at, want)
	}
	if list[2].who != who[1] || list[3].who != who[0] {
		t.Errorf("in turn: %v, %v", list[2].who, list[3].who)
	}
	if string(list[3].packet) != string(tcp.packet(who[0], 9000)) {
		t.Errorf("the last packet of %v: %x", who[0], list[3].packet)
	}
}

// The honest knock while the flood lasts, all of them.
func TestFloodSchedule(t *testing.T) {
	for _, p := range []plan{full, quick} {
		for _, k := range floodings {
			for _, gap := range []time.Duration{p.gap, p.slowGap} {
				list := floodSchedule(k, p.honest, p.flood, gap)
				first, last := list[0].at, list[len(list)-1].at
				if first < p.flood/50 || last > p.flood-p.flood/50 || len(list) != 3*p.honest {
					t.Errorf("%s, gap %v: %d packets from %v to %v of %v", k.name, gap, len(list), first, last, p.flood)
				}
			}
		}
	}
}

func TestScannings(t *testing.T) {
	for _, k := range scannings(full) {
		a := k.order(0)
		sorted := slices.Sorted(slices.Values(a))
		if len(sorted) != 65535 || sorted[0] != 1 || len(slices.Compact(sorted)) != 65535 {
			t.Errorf("%s: not all ports once", k.name)
		}
		if want := map[string]int{"rising": full.scans, "falling": 0, "random": full.randomScans / 6}[k.name]; k.fitting() != want {
			t.Errorf("%s: %d of %d in the door's order, want %d", k.name, k.fitting(), k.times, want)
		}
		same := slices.Equal(a, k.order(1))
		switch k.name {
		case "rising":
			if !slices.IsSorted(a) {
				t.Error("rising: it does not")
			}
		case "falling":
			if a[0] != 65535 || a[65534] != 1 || a[100] != 65435 {
				t.Error("falling: it does not")
			}
		default:
			if same || !slices.Equal(a, k.order(0)) || slices.IsSorted(a) {
				t.Error("random: every scan must have an order of its own, and the same in every run")
			}
		}
	}
}

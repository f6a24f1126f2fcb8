package exec

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// places is who gets how many places of how many.
var places = []struct{ all, starts, startsOfOne, stopsOfOne int }{
	{1, 1, 1, 1},
	{2, 1, 1, 1},
	{3, 2, 2, 2},
	{4, 3, 2, 2},
	{16, 12, 8, 8},
}

// hang is a door whose commands hang on a pipe.
func hang(i int, start, stop string) *Door {
	d := sshDoor(start, stop)
	d.Name = fmt.Sprint("door", i)
	return d
}

// running returns how many commands run of each kind, after a check that there
// are not too many.
func (r *rig) running() (starts, stops int) {
	r.t.Helper()
	for _, p := range r.l.runner.byPID {
		if p.event == start {
			starts++
		} else {
			stops++
		}
	}
	if starts+stops > r.l.AtOnce {
		r.t.Fatalf("%d start and %d stop commands run, at most %d may", starts, stops, r.l.AtOnce)
	}
	return starts, stops
}

// TestPlaces lets commands hang and counts who gets a place: start commands of
// one door, of many, then stop commands in the places that were kept for them,
// then, with all doors to be shut, in every place.
func TestPlaces(t *testing.T) {
	for _, c := range places {
		t.Run(fmt.Sprint(c.all), func(t *testing.T) {
			r := newRig(t, DefaultOpen)
			r.l.AtOnce = c.all
			gate := fifo(t)
			for i := range 20 { // they are open when the others begin to hang
				r.l.Open(r.at(), hang(0, "true", "read x < "+gate), source(i))
				r.running()
			}
			for i := range 20 {
				r.l.Open(r.at(), hang(1+i, "true", "read x < "+gate), alice)
				r.running()
			}
			r.turns("the doors to open", func() bool { r.running(); return len(r.l.runner.byPID) == 0 })

			for i := range 20 {
				r.l.Open(r.at(), hang(100, "read x < "+gate, "true"), source(i))
				if n, _ := r.running(); n != min(i+1, c.startsOfOne) {
					t.Fatalf("%d of %d start commands of one door run, want %d", n, i+1, c.startsOfOne)
				}
			}
			for i := range 20 {
				r.l.Open(r.at(), hang(200+i, "read x < "+gate, "true"), alice)
				if n, _ := r.running(); n != min(c.startsOfOne+i+1, c.starts) {
					t.Fatalf("%d of %d start commands run, want %d", n, 20+i+1, c.starts)
				}
			}
			r.l.Shut(r.at(), "door0", matcher.Addr{})
			if _, n := r.running(); n != min(c.stopsOfOne, c.all-c.starts) {
				t.Fatalf("%d stop commands of one door run beside %d start commands", n, c.starts)
			}
			r.pass(31 * time.Second)
			if _, n := r.running(); n != c.all-c.starts {
				t.Fatalf("%d stop commands run beside %d start commands, want %d", n, c.starts, c.all-c.starts)
			}
			r.l.CloseAll(r.at())
			r.l.Interrupt(unix.SIGKILL)
			r.turns("stop commands to have all places", func() bool { starts, stops := r.running(); return starts == 0 && stops == c.all })
		})
	}
}

// TestPlacesOfStops checks that the stop commands of one door leave room for
// those of another, which get all of it, and have every place after CloseAll.
func TestPlacesOfStops(t *testing.T) {
	for _, c := range places {
		for _, many := range []bool{false, true} {
			t.Run(fmt.Sprint(c.all, many), func(t *testing.T) {
				r := newRig(t, DefaultOpen)
				gate := fifo(t)
				for i := range 40 {
					d := 0
					if many {
						d = i
					}
					r.l.Open(r.at(), hang(d, "true", "read x < "+gate), source(i))
				}
				r.idle()
				r.l.AtOnce = c.all
				r.pass(31 * time.Second)
				want := c.stopsOfOne
				if many {
					want = c.all
				}
				if _, n := r.running(); n != want {
					t.Fatalf("%d stop commands run, want %d", n, want)
				}
				r.l.Open(r.at(), hang(100, "echo open", "true"), alice)
				if starts, _ := r.running(); starts != min(1, c.all-want) {
					t.Fatalf("%d start commands run, want one if there is a place", starts)
				}
				r.l.CloseAll(r.at())
				r.turns("stop commands to have all places", func() bool { _, n := r.running(); return n == c.all })
			})
		}
	}
}

// TestCloseAllTakesPlaces checks that stop commands that wait for no more than
// their door's share are run at once when all doors are to be shut.
func TestCloseAllTakesPlaces(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	for i := range 40 {
		r.l.Open(r.at(), hang(0, "true", "read x < "+gate), source(i))
	}
	r.idle()
	r.pass(31 * time.Second)
	if _, n := r.running(); n != DefaultCommands/2 {
		t.Fatalf("%d stop commands run", n)
	}
	r.l.CloseAll(r.at())
	if _, n := r.running(); n != DefaultCommands {
		t.Errorf("%d stop commands run, want %d", n, DefaultCommands)
	}
}

// TestHungStarts lets all start commands of one door hang: another door shuts as
// if there were none, and opens where there are places for two doors' starts.
func TestHungStarts(t *testing.T) {
	for _, c := range places[1:] {
		r := newRig(t, DefaultOpen)
		r.l.AtOnce = c.all
		gate := fifo(t)
		d := sshDoor("echo open", "echo shut")
		r.l.Open(r.at(), d, alice)
		r.wait("open")
		r.idle()
		for i := range 100 {
			r.l.Open(r.at(), hang(0, "read x < "+gate, "true"), source(i))
		}
		for range 3 {
			r.pass(31 * time.Second)
			r.wait("shut")
			r.turns("the stop to end", func() bool { return r.run() == c.startsOfOne })
			if c.starts == c.startsOfOne {
				break
			}
			r.l.Open(r.at(), d, alice)
			r.wait("open")
			r.turns("the start to end", func() bool { return r.run() == c.startsOfOne })
		}
	}
}

// TestSetLimits gives places to commands that wait, and takes them away.
func TestSetLimits(t *testing.T) {
	r := newRig(t, DefaultOpen)
	set := func(n int) {
		limits := r.l.Limits
		limits.AtOnce = n
		r.l.SetLimits(r.at(), limits)
	}
	set(2)
	gate := fifo(t)
	for i := range 20 {
		r.l.Open(r.at(), hang(i, leader+"read x < "+gate, "true"), source(i))
	}
	for _, c := range []struct{ limit, want int }{{2, 1}, {4, 3}, {16, 12}, {2, 12}, {13, 12}, {1, 12}} {
		set(c.limit)
		if n := r.run(); n != c.want {
			t.Errorf("%d commands run with a limit of %d, want %d", n, c.limit, c.want)
		}
	}
	pids := r.pids(12)
	for i, pid := range pids {
		unix.Kill(pid, unix.SIGKILL)
		r.turns("it to end", func() bool { return !runs(pid) && r.l.runner.byPID[pid] == nil })
		if n := r.run(); n != max(11-i, 1) {
			t.Errorf("%d commands run after %d of 12 have ended", n, i+1)
		}
	}
	set(100)
	if n := r.run(); n != 8 {
		t.Errorf("%d commands run, want all", n)
	}
}

// TestTooManyWait checks that commands without a lease cannot fill the memory.
func TestTooManyWait(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := &Door{Name: "game", Start: "read x < " + fifo(t)}
	const running = DefaultCommands / 2
	for i := range running + maxWaiting + 10 {
		want := Opened
		if i >= running+maxWaiting {
			want = Refused
		}
		if got := r.l.Open(r.at(), d, alice); got != want {
			t.Fatalf("knock %d: outcome %d, want %d", i, got, want)
		}
	}
	if got := r.l.Open(r.at(), sshDoor("echo open", "echo shut"), alice); got != Opened {
		t.Errorf("outcome %d of another door", got)
	}
	r.wait("open")
	r.l.CloseAll(r.at())
	if n := len(r.l.runner.waiting); n != 0 || r.l.runner.loose != 0 {
		t.Errorf("%d commands wait, %d loose", n, r.l.runner.loose)
	}
}

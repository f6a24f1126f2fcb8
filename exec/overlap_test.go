package exec

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// TestNeverOverlap drives many leases through random knocks, ends of commands,
// failures, timeouts and time, until every door is to be shut. The commands
// themselves see to it that no two of one lease run at once: each looks whether
// the one before it still runs. In the end each door that was opened, or half
// opened, has been shut.
func TestNeverOverlap(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newOverlap(t, seed)
			for range 1500 {
				o.step()
				o.check()
			}
			o.finish()
		})
	}
}

// overlap is one run: its leases are pairs of doors and sources.
type overlap struct {
	*rig
	rnd   *rand.Rand
	dir   string
	doors []*Door
	srcs  []matcher.Addr
}

func newOverlap(t *testing.T, seed uint64) *overlap {
	o := &overlap{rig: newRig(t, 25), rnd: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir()}
	o.l.Limits = Limits{AtOnce: 1 + o.rnd.IntN(16), StartTimeout: 2 * time.Minute, StopTimeout: time.Minute, StopRetries: 2}
	for d := range 5 {
		// A command ends when a line comes, with the status in it.
		text := "f=" + o.dir + "/%IP%-" + fmt.Sprint(d) + "; " +
			"read p < $f.pid && kill -0 $p 2> /dev/null && echo overlap; echo $$ > $f.pid; echo begin EVENT >> $f.log; " +
			"read x < $f; echo end EVENT $x >> $f.log; exit $x"
		door := sshDoor(strings.ReplaceAll(text, "EVENT", "start"), strings.ReplaceAll(text, "EVENT", "stop"))
		door.Name = fmt.Sprint("door", d)
		o.doors = append(o.doors, door)
	}
	for i := range 6 {
		o.srcs = append(o.srcs, source(i))
		for d := range o.doors {
			write(t, o.file(d, i)+".pid", "4194305\n") // above every process
			if err := unix.Mkfifo(o.file(d, i), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return o
}

// file is the pipe of a lease, and what the names of its other files begin with.
func (o *overlap) file(door, src int) string {
	return filepath.Join(o.dir, source(src).String()+"-"+fmt.Sprint(door))
}

// step does one thing that may happen to a daemon.
func (o *overlap) step() {
	d, s := o.rnd.IntN(len(o.doors)), o.rnd.IntN(len(o.srcs))
	switch n := o.rnd.IntN(100); {
	case n < 35:
		o.l.Open(o.at(), o.doors[d], o.srcs[s])
	case n < 75:
		o.end(o.rnd.IntN(1+o.run()), fmt.Sprint(o.rnd.IntN(3)/2))
	case n < 90:
		o.pass([]time.Duration{time.Millisecond, time.Second, 4 * time.Second, 31 * time.Second}[o.rnd.IntN(4)])
	case n < 92:
		o.l.Shut(o.at(), o.doors[d].Name, matcher.Addr{})
	case n < 97:
		o.l.Shut(o.at(), o.doors[d].Name, o.srcs[s])
	default:
		limits := o.l.Limits
		limits.AtOnce = 1 + o.rnd.IntN(16)
		o.l.SetLimits(o.at(), limits)
	}
	o.l.Ready(o.at())
	o.l.Reap(o.at())
}

// end lets one command end.
func (o *overlap) end(n int, status string) {
	for pid, p := range o.l.runner.byPID {
		if n--; n >= 0 || p.told {
			continue
		}
		le := &o.l.leases[p.lease]
		file := filepath.Join(o.dir, le.src.String()+"-"+strings.TrimPrefix(le.door.Name, "door"))
		o.turns("the command to read", func() bool { return o.l.runner.byPID[pid] == nil || tryRelease(o.t, file, status) })
		return
	}
}

// check compares what the parts of Leases say about each other.
func (o *overlap) check() {
	o.t.Helper()
	x, commands := o.l.runner, map[int32]int{}
	shares := map[line]share{}
	for _, p := range x.byPID {
		commands[p.lease]++
		shares[p.line()] = share{shares[p.line()].running + 1, 0}
	}
	for _, c := range x.waiting {
		commands[c.lease]++
		shares[c.line()] = share{shares[c.line()].running, shares[c.line()].waiting + 1}
		if x.mayRun(c.line()) {
			o.t.Fatalf("a command waits for a place that is free: %+v", c)
		}
	}
	if !maps.Equal(shares, x.byLine) {
		o.t.Fatalf("the runner counts %v, there are %v", x.byLine, shares)
	}
	leases, unable := 0, 0
	for i := range o.l.leases {
		le := &o.l.leases[i]
		want, timer := 0, false
		switch le.state {
		case starting, stopping:
			want = 1
		case open, retrying:
			timer = true
		case stuck:
			unable++
		}
		if _, armed := o.l.wheel.Deadline(i); armed != timer {
			o.t.Fatalf("lease %d has a timer: %v: %+v", i, armed, le)
		}
		if n := commands[int32(i)]; n != want {
			o.t.Fatalf("lease %d has %d commands: %+v", i, n, le)
		}
		if le.state != free {
			leases++
		}
	}
	if leases != o.l.Len() || leases > o.l.MaxOpen || unable != o.l.stuck || o.l.Settled() != (leases == unable) {
		o.t.Fatalf("%d leases, Len %d; %d stuck, counted %d; settled %v", leases, o.l.Len(), unable, o.l.stuck, o.l.Settled())
	}
}

// finish shuts every door and looks at what the commands have done.
func (o *overlap) finish() {
	t := o.t
	o.l.CloseAll(o.at())
	o.check()
	o.turns("every door to shut", func() bool {
		o.end(0, "0")
		if o.run() == 0 {
			o.pass(time.Second)
		}
		if o.l.Settled() { // stuck, those that were not given the time
			o.l.Shut(o.at(), "", matcher.Addr{})
		}
		o.check()
		return o.l.Len() == 0
	})
	if !o.l.Settled() || o.run() != 0 {
		t.Errorf("settled %v, %d commands run", o.l.Settled(), o.run())
	}
	if n := o.count("overlap"); n != 0 {
		t.Errorf("%d commands began before the one before them had ended", n)
	}
	begun := 0
	for s := range o.srcs {
		for d := range o.doors {
			text, err := os.ReadFile(o.file(d, s) + ".log")
			if err != nil {
				continue // nobody knocked
			}
			begun += strings.Count(string(text), "begin")
			if !strings.HasSuffix(string(text), "begin stop\nend stop 0\n") {
				t.Errorf("%s:\n%s", o.file(d, s), text)
			}
		}
	}
	if begun < 100 {
		t.Errorf("only %d commands ran", begun)
	}
	t.Logf("%d commands, %+v", begun, o.l.Stats())
}

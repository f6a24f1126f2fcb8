package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/control"
)

// usage is what a process holds, from proc(5).
type usage struct {
	rss          int // kB
	fds, threads int
	children     int
}

func (s *served) usage() (u usage) {
	s.t.Helper()
	pid, err := s.PID()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d", pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscan(after, &u.rss); err != nil {
		s.t.Fatal(err)
	}
	count := func(pattern string) int {
		list, err := filepath.Glob(dir + pattern)
		if err != nil {
			s.t.Fatal(err)
		}
		return len(list)
	}
	u.fds, u.threads = count("/fd/*"), count("/task/*")
	all, err := filepath.Glob(dir + "/task/*/children")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range all {
		list, _ := os.ReadFile(path) // a thread may have ended
		u.children += len(strings.Fields(string(list)))
	}
	return u
}

const trivial = "[%s]\n\tsequence = 7000\n\tcmd_timeout = %d\n\tstart_command = :\n\tstop_command = :\n"

const manyDoors = 500

// openMany starts a daemon with one door open, and opens many more. It returns
// what the daemon held before and holds now that the commands have ended.
func openMany(l *lab) (d *served, before, after usage) {
	l.t.Helper()
	d = l.serve(fmt.Sprintf(trivial, "door", 600) + fmt.Sprintf(trivial, "first", 600))
	d.open("first", doc(0), "opened")
	d.awaitOpen(1)
	before = d.usage()
	for i := range manyDoors {
		d.open("door", doc(i), "opened")
	}
	eventually(l.t, "the commands to end", func() bool {
		after = d.usage()
		return after.children == 0 && after.fds <= before.fds
	})
	l.t.Logf("with one door %+v, with %d more %+v", before, manyDoors, after)
	return d, before, after
}

// Opening makes garbage, which may be there for a moment. The test runs alone:
// how much there is depends on how busy the machine is.
func TestOpenDoorsInMemory(t *testing.T) {
	sesameOnly(t, "an open door is a process")
	d, before, _ := openMany(newLab(t))
	eventually(t, fmt.Sprint("memory within 1,024 kB of ", before.rss, " kB"), func() bool {
		return d.usage().rss-before.rss <= 1024
	})
}

// An open door costs no process, and is found again by the next daemon.
func TestManyOpenDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "an open door is a process")
	const doors = manyDoors
	l := newLab(t)
	d, before, _ := openMany(l)
	d.awaitOpen(doors + 1)
	if list := l.strays(); len(list) != 1 {
		t.Errorf("with %d doors there are the processes %q", doors, list)
	}
	left := d.lease("door", doc(0)).Left
	d.kill()
	d = d.again()
	d.wait("501 doors are open from before, 0 of them overdue")
	d.awaitOpen(doors + 1)
	if again := d.lease("door", doc(0)).Left; again > left || again < left-time.Minute {
		t.Errorf("%v are left, before %v", again, left)
	}
	if grown := d.usage().rss - before.rss; grown > 1024 {
		t.Errorf("the next daemon needs %d kB more for them", grown)
	}
	d.shut(doors, "door")
	d.shut(1, "first")
	d.awaitShut()
	d.kill()
	d.again().awaitOpen(0)
}

// Nothing of ten thousand leases is left in the daemon.
func TestTenThousandLeases(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no control socket")
	const leases = 10_000
	l := newLab(t)
	d := l.serve(fmt.Sprintf(trivial, "one", 0) + fmt.Sprintf(trivial, "two", 0))
	next := 0
	run := func(n int) {
		t.Helper()
		for range n {
			d.open([]string{"one", "two"}[next%2], fmt.Sprintf("2001:db8::%x", next), "opened")
			if next++; next%500 == 0 {
				d.awaitShut()
			}
		}
		d.awaitShut()
	}
	run(1000)
	before := d.usage()
	run(leases - next)
	var after usage
	eventually(t, "the daemon to have what it had before", func() bool {
		after = d.usage()
		return after.fds <= before.fds && after.children == 0
	})
	t.Logf("after 1,000 leases %+v, after %d %+v", before, next, after)
	// Go adds a thread when all others wait for the disk, and keeps it.
	if list := l.strays(); after.threads > before.threads+2 || len(list) != 1 {
		t.Errorf("after 1,000 leases %+v, after %d %+v; processes %q", before, next, after, list)
	}
	if grown := after.rss - before.rss; grown > 1024 {
		t.Errorf("%d kB more after %d leases", grown, next)
	}
	s := d.status()
	if s.Counters[control.Openings] != leases || s.Counters[control.StopFailures]+s.Counters[control.StartFailures] != 0 {
		t.Errorf("counters %v", s.Counters)
	}
	if info, err := os.Stat(d.stateFile()); err != nil || info.Size() > 256<<10 {
		t.Errorf("the state file: %v, %v", info, err)
	}
}

// Reloads in the midst of openings and closings, each with the other of two
// configurations, lose no lease: every start command has its stop command.
func TestHupInTheMidst(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it forgets its doors")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	l := newLab(t)
	rules := l.folder("rules")
	// The rule's name tells which configuration has made it.
	text := func(name string, lease int) string {
		return fmt.Sprintf("[%s]\n\tsequence = 7000\n\tcmd_timeout = %d\n\tstart_command = sleep 0.01; echo > %s/%[1]s-%%IP%%"+
			"\n\tstop_command = sleep 0.01; rm %[3]s/%[1]s-%%IP%%\n", name, lease, rules)
	}
	configs := []string{
		text("both", 600) + text("first", 600) + text("short", 1),
		"max_commands = 4\n" + text("other", 600) + text("both", 300) + text("short", 0),
	}
	d := l.serve(configs[0])
	reload := func(i int) {
		t.Helper()
		conf := l.file("knockd.conf.new", "[options]\n"+configs[i]+sentinel)
		if err := os.Rename(conf, d.conf); err != nil {
			t.Fatal(err)
		}
		d.signal(syscall.SIGHUP)
	}
	outcomes := map[string]int{}
	for i := range 400 {
		door := []string{"both", "first", "other", "short"}[rng.IntN(4)]
		address := doc(rng.IntN(20))
		switch n := rng.IntN(10); {
		case n == 0:
			reload(i / 10 % 2)
		case n <= 3:
			if _, err := ask(d.socket, "close", door, address); err != nil {
				t.Fatal(err)
			}
		case n == 4 && i%3 == 0:
			if _, err := ask(d.socket, "close", door); err != nil {
				t.Fatal(err)
			}
		default:
			outcome, err := ask(d.socket, "open", door, address)
			if err != nil && !strings.Contains(err.Error(), "there is no door") {
				t.Fatal(err)
			}
			outcomes[outcome]++
		}
	}
	t.Logf("outcomes %v", outcomes)
	if outcomes["opened"] == 0 || outcomes["renewed"]+outcomes["queued"] == 0 || outcomes[""] == 0 {
		t.Errorf("outcomes %v: too few kinds", outcomes)
	}
	reload(1)
	l.settle(d.process)
	// What is open has its rule, whichever configuration it is from.
	eventually(t, "all commands to end", func() bool {
		return !slices.ContainsFunc(d.status().Doors, func(d control.Door) bool { return d.State != "open" || d.Name == "short" })
	})
	var want []string
	for _, door := range d.status().Doors {
		want = append(want, door.Name+"-"+door.Address)
	}
	slices.Sort(want)
	if got := l.files("rules"); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("rules %q, leases %q", got, want)
	}
	d.shut(len(d.status().Doors))
	d.awaitShut()
	if got := l.files("rules"); len(got) > 0 {
		t.Errorf("%q is left", got)
	}
	d.want("the configuration in force stays", 0)
	d.want("non-zero", 0)
}

package exec

import (
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

var (
	alice = matcher.Addr{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 7}
	bob   = matcher.Addr{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 9}
	carol = matcher.Addr{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 7}
)

// rig drives Leases as the daemon's loop does, on a clock of its own.
type rig struct {
	t        *testing.T
	l        *Leases
	now      matcher.Time
	children chan os.Signal
	lines    []string
	taken    int // lines that wait has passed
}

func newRig(t *testing.T, max int) *rig {
	t.Helper()
	r := &rig{t: t, now: 1, children: make(chan os.Signal, 1)}
	signal.Notify(r.children, unix.SIGCHLD)
	l, err := NewLeases(max, func(line string) { r.lines = append(r.lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	r.l = l
	t.Cleanup(func() {
		for _, p := range l.runner.byPID {
			unix.Kill(-p.pid, unix.SIGKILL)
		}
		r.turns("commands to end", func() bool { return len(l.runner.byPID) == 0 })
		signal.Stop(r.children)
		l.Close()
	})
	return r
}

// turns runs the loop until done says so.
func (r *rig) turns(what string, done func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		ready := []unix.PollFd{{Fd: int32(r.l.FD()), Events: unix.POLLIN}}
		if n, _ := unix.Poll(ready, 10); n > 0 {
			r.l.Output()
		}
		select {
		case <-r.children:
		case <-deadline:
			r.t.Fatalf("waited in vain for %s; the log:\n%s", what, strings.Join(r.lines, "\n"))
		default:
		}
		r.l.Reap(r.now)
	}
}

// wait runs the loop until the log has a line after those waited for before.
func (r *rig) wait(line string) {
	r.t.Helper()
	r.turns("the line "+line, func() bool {
		i := slices.Index(r.lines[r.taken:], line)
		if i >= 0 {
			r.taken += i + 1
		}
		return i >= 0
	})
}

// idle runs the loop until no command runs.
func (r *rig) idle() {
	r.t.Helper()
	r.turns("all commands", func() bool { return len(r.l.runner.queues) == 0 })
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.l.Expire(r.now)
}

func (r *rig) count(line string) (n int) {
	for _, l := range r.lines {
		if l == line {
			n++
		}
	}
	return n
}

func (r *rig) want(lines ...string) {
	r.t.Helper()
	if !slices.Equal(r.lines, lines) {
		r.t.Errorf("log:\n%s\nwant:\n%s", strings.Join(r.lines, "\n"), strings.Join(lines, "\n"))
	}
}

func door(start, stop string) *Door {
	return &Door{Name: "ssh", Start: start, Stop: stop, Start6: start, Stop6: stop, Lease: 30 * time.Second}
}

func TestLease(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("echo open %IP%/32 '%IP%'", "echo shut %IP%"), alice)
	r.wait("open 192.0.2.7/32 192.0.2.7")
	r.idle()
	r.pass(30*time.Second - 1)
	if r.l.Len() != 1 {
		t.Fatal("the lease ended early")
	}
	if next := r.l.Next(); next > r.now.Add(2*time.Millisecond) {
		t.Errorf("Next is %v away, want the end of the lease", time.Duration(next-r.now))
	}
	r.pass(2 * time.Millisecond)
	r.wait("shut 192.0.2.7")
	r.idle()
	r.want(
		"ssh: running command: echo open 192.0.2.7/32 '192.0.2.7'",
		"open 192.0.2.7/32 192.0.2.7",
		"192.0.2.7: ssh: command timeout",
		"ssh: running command: echo shut 192.0.2.7",
		"shut 192.0.2.7",
	)
	if r.l.Len() != 0 || r.l.Next() != matcher.Never {
		t.Errorf("after the stop: %d leases, next %v", r.l.Len(), r.l.Next())
	}
}

// TestLeaseOfEach checks that leases are by door and address.
func TestLeaseOfEach(t *testing.T) {
	r := newRig(t, 0)
	ssh, web := door("echo open %IP%", "echo shut %IP%"), door("echo web %IP%", "echo noweb %IP%")
	web.Name = "web"
	for range 2 {
		r.l.Open(r.now, ssh, alice)
		r.l.Open(r.now, ssh, bob)
		r.l.Open(r.now, web, alice)
		r.l.Open(r.now, ssh, carol)
		r.idle()
	}
	if r.l.Len() != 4 {
		t.Errorf("%d leases, want 4", r.l.Len())
	}
	for _, line := range []string{"open 192.0.2.7", "open 198.51.100.9", "web 192.0.2.7", "open 2001:db8::7"} {
		if n := r.count(line); n != 1 {
			t.Errorf("%q ran %d times, want once", line, n)
		}
	}
	r.pass(31 * time.Second)
	r.idle()
	for _, line := range []string{"shut 192.0.2.7", "shut 198.51.100.9", "noweb 192.0.2.7", "shut 2001:db8::7"} {
		if n := r.count(line); n != 1 {
			t.Errorf("%q ran %d times, want once", line, n)
		}
	}
}

func TestLeaseRenewed(t *testing.T) {
	r := newRig(t, 0)
	d := door("echo open", "echo shut")
	for range 5 {
		r.l.Open(r.now, d, alice)
		r.idle()
		r.pass(29 * time.Second)
	}
	if n := r.count("open"); n != 1 {
		t.Errorf("start ran %d times", n)
	}
	if n := r.count("192.0.2.7: ssh: already open, lease renewed for 30 s"); n != 4 {
		t.Errorf("%d renewals in the log, want 4", n)
	}
	r.pass(2 * time.Second)
	r.wait("shut")
}

// TestLeaseFromEndOfStart checks that the time runs from the end of the start
// command, and that a knock meanwhile runs nothing.
func TestLeaseFromEndOfStart(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	d := door("read x < "+gate+"; echo started", "echo shut")
	r.l.Open(r.now, d, alice)
	r.l.Open(r.now, d, alice)
	r.pass(time.Hour)
	release(t, gate)
	r.wait("started")
	r.idle()
	r.pass(29 * time.Second)
	if n := r.count("shut"); n != 0 || r.l.Len() != 1 {
		t.Error("the stop command did not wait for the end of the start command")
	}
	r.pass(2 * time.Second)
	r.wait("shut")
}

func TestKnockWhileStopping(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	d := door("echo open", "read x < "+gate+"; echo shut")
	r.l.Open(r.now, d, alice)
	r.idle()
	r.pass(31 * time.Second)
	r.l.Open(r.now, d, alice)
	release(t, gate)
	r.wait("open")
	r.wait("shut")
	r.wait("open")
	if r.l.Len() != 1 {
		t.Errorf("%d leases, want the second one", r.l.Len())
	}
}

// TestHungCommand checks that a command which never ends holds nobody up.
func TestHungCommand(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	r.l.Open(r.now, &Door{Name: "game", Start: "read x < " + gate, Stop: "echo no"}, alice)
	r.l.Open(r.now, door("echo open", "echo shut"), alice)
	r.wait("open")
	r.turns("the start to end", func() bool { return len(r.l.runner.queues) == 1 })
	r.pass(31 * time.Second)
	r.wait("shut")
}

func TestWithoutStop(t *testing.T) {
	r := newRig(t, 0)
	d := door("echo run", "")
	r.l.Open(r.now, d, alice)
	r.l.Open(r.now, d, alice)
	r.idle()
	if n := r.count("run"); n != 2 || r.l.Len() != 0 || r.l.Next() != matcher.Never {
		t.Errorf("ran %d times, %d leases, next %v; want 2 runs and no lease", n, r.l.Len(), r.l.Next())
	}
}

func TestWithoutStart(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("", "echo shut"), alice)
	r.want()
	if r.l.Len() != 0 {
		t.Error("a door without a start command has a lease")
	}
}

func TestFamilies(t *testing.T) {
	r := newRig(t, 0)
	d := &Door{Name: "smtp", Start: "echo four %IP%", Start6: "echo six %IP%", Stop: "echo stop", Stop6: ""}
	r.l.Open(r.now, d, alice)
	r.l.Open(r.now, d, carol)
	r.idle()
	if r.count("four 192.0.2.7") != 1 || r.count("six 2001:db8::7") != 1 {
		t.Errorf("log: %q", r.lines)
	}
	if r.l.Len() != 1 {
		t.Errorf("%d leases, want the IPv4 one alone", r.l.Len())
	}
}

func TestFailures(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("echo trying; exit 3", "kill -9 $$"), alice)
	r.idle()
	r.pass(31 * time.Second)
	r.idle()
	r.want(
		"ssh: running command: echo trying; exit 3",
		"trying",
		"ssh: command returned non-zero status code (3)",
		"192.0.2.7: ssh: command timeout", // stop runs even if start failed
		"ssh: running command: kill -9 $$",
		"ssh: command was ended by signal 9 (killed)",
	)
}

// TestOutput checks both streams, long and unfinished lines, and that output
// comes before the status.
func TestOutput(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door(`echo one; echo two >&2; echo; head -c 1030 /dev/zero | tr '\0' x; printf end; exit 1`, ""), alice)
	r.idle()
	x := strings.Repeat("x", maxLine)
	if got := r.lines[1:]; !slices.Equal(got, []string{"one", "two", x, "xxxxxxend", "ssh: command returned non-zero status code (1)"}) {
		t.Errorf("%q", got)
	}
}

// TestOutputBeforeStatus lets a command end before its output is read.
func TestOutputBeforeStatus(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("head -c 20000 /dev/zero | tr '\\0' '\\n'; echo last words; exit 7", ""), alice)
	for pid := range r.l.runner.byPID {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.l.Reap(r.now)
	if got := r.lines[1:]; !slices.Equal(got, []string{"last words", "ssh: command returned non-zero status code (7)"}) {
		t.Errorf("%q", got)
	}
}

// TestOwnSession checks that a command is cut off from the daemon's terminal,
// signals and input.
func TestOwnSession(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door(`read x; echo "input: $?"; set -- $(cat /proc/$$/stat); echo "own: $(($5 == $$)) $(($6 == $$))"`, ""), alice)
	r.wait("input: 1")
	r.wait("own: 1 1")
}

// TestLeftBehind checks that a child which keeps the output open does not keep
// its command from ending.
func TestLeftBehind(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	r.l.Open(r.now, door("(read x < "+gate+"; echo late) & echo early", "echo shut"), alice)
	r.wait("early")
	r.idle()
	r.pass(31 * time.Second)
	r.wait("shut")
	release(t, gate)
	r.wait("late") // its output still reaches the log
	r.turns("the pipe to close", func() bool { return len(r.l.runner.byPipe) == 0 })
}

// TestNoneRunTooMany lets many commands of one door hang: its others wait in
// the order of the knocks, and another door does not notice.
func TestNoneRunTooMany(t *testing.T) {
	r := newRig(t, 0)
	source := func(i int) matcher.Addr { a := alice; a[15] = byte(i); return a }
	dir := t.TempDir()
	game := door("read x < "+dir+"/%IP%; echo done %IP%", "echo shut %IP%")
	game.Name = "game"
	const all = 3 * maxAtOnce
	for i := range all {
		if err := unix.Mkfifo(filepath.Join(dir, Text(source(i))), 0o600); err != nil {
			t.Fatal(err)
		}
		r.l.Open(r.now, game, source(i))
		if n := len(r.l.runner.byPID); n > maxAtOnce {
			t.Fatalf("%d commands run at once", n)
		}
	}
	r.l.Open(r.now, door("echo open", "echo shut"), bob)
	r.wait("open")
	r.turns("one door to be open", func() bool { return len(r.l.runner.queues) == 1 })
	r.pass(31 * time.Second)
	r.wait("shut")
	for i := range all {
		release(t, filepath.Join(dir, Text(source(i))))
		r.wait("done " + Text(source(i)))
	}
	r.idle()
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
}

// TestFailedStartRunsAgain checks that a knock after a failed start tries again
// and does not only prolong the failure.
func TestFailedStartRunsAgain(t *testing.T) {
	r := newRig(t, 0)
	flag := filepath.Join(t.TempDir(), "flag")
	d := door("echo try; test -e "+flag, "echo shut")
	r.l.Open(r.now, d, alice)
	r.idle()
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.l.Open(r.now, d, alice)
		r.idle()
	}
	if n := r.count("try"); n != 2 {
		t.Errorf("the start command ran %d times, want again after its failure and then no more", n)
	}
	r.pass(31 * time.Second)
	r.wait("shut")
	r.idle()
	if n := r.count("shut"); n != 1 || r.l.Len() != 0 {
		t.Errorf("shut %d times, %d leases left", n, r.l.Len())
	}
}

// TestTwinsAreTwo checks that doors of one name and stop command both open.
func TestTwinsAreTwo(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("echo one", "echo shut"), alice)
	r.l.Open(r.now, door("echo two", "echo shut"), alice)
	r.wait("one")
	r.idle()
	if r.count("two") != 1 || r.l.Len() != 2 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
}

// TestCloseAllDropsWaiting checks that no door is opened while all are shut.
func TestCloseAllDropsWaiting(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	source := func(i int) matcher.Addr { a := alice; a[15] = byte(i); return a }
	for i := range maxAtOnce + 5 {
		r.l.Open(r.now, door("echo start; read x < "+gate, "echo shut"), source(i))
	}
	r.l.CloseAll(r.now)
	if n := r.l.Len(); n != maxAtOnce {
		t.Errorf("%d leases, want those whose start command runs", n)
	}
	r.l.Interrupt(unix.SIGKILL)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	if n := r.count("ssh: running command: echo start; read x < " + gate); n != maxAtOnce {
		t.Errorf("%d start commands ran, want %d", n, maxAtOnce)
	}
}

// TestManyLeftBehind checks that processes left behind cannot take every
// descriptor.
func TestManyLeftBehind(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	d := door("(read x < "+gate+") & echo left", "")
	for range maxLeft + 10 {
		r.l.Open(r.now, d, alice)
		r.idle()
	}
	if n := len(r.l.runner.byPipe); n > maxLeft {
		t.Errorf("%d outputs are held open", n)
	}
	f, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range maxLeft + 10 {
		f.WriteString("go\n")
	}
	r.turns("the pipes to close", func() bool { return len(r.l.runner.byPipe) == 0 })
}

func TestTooManyLeases(t *testing.T) {
	r := newRig(t, 2)
	d := door("echo open %IP%", "echo shut %IP%")
	for _, src := range []matcher.Addr{alice, bob, carol} {
		r.l.Open(r.now, d, src)
	}
	r.idle()
	if r.l.Len() != 2 || r.count("2001:db8::7: ssh: not opened: 2 doors are open already, the most there can be") != 1 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	r.l.Open(r.now, d, carol)
	r.wait("open 2001:db8::7")
}

func TestCloseAll(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	r.l.Open(r.now, door("echo open", "echo shut %IP%"), alice)
	r.idle()
	r.l.Open(r.now, door("read x < "+gate, "echo shut %IP%"), bob) // still starting
	r.l.CloseAll(r.now)
	r.l.Open(r.now, door("echo never", "echo never"), carol)
	r.wait("shut 192.0.2.7")
	r.turns("one door to shut", func() bool { return r.l.Len() == 1 })
	if left := r.l.Left(); len(left) != 1 || left[0] != "echo shut 198.51.100.9" {
		t.Errorf("left: %q", left)
	}
	release(t, gate)
	r.wait("shut 198.51.100.9")
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	if r.count("never") != 0 {
		t.Error("a door was opened while all were closing")
	}
}

// TestInterrupt checks that a start command which hangs, with its children,
// does not keep its door from being shut.
func TestInterrupt(t *testing.T) {
	r := newRig(t, 0)
	gate := fifo(t)
	r.l.Open(r.now, door("echo half; (trap '' TERM; read x < "+gate+"); echo never", "echo shut"), alice)
	r.l.Open(r.now, &Door{Name: "game", Start: "echo play; read x < " + gate}, alice) // no lease: not touched
	r.turns("both to run", func() bool { return r.count("half") == 1 && r.count("play") == 1 })
	r.l.CloseAll(r.now)
	r.l.Interrupt(unix.SIGTERM)
	r.l.Interrupt(unix.SIGKILL)
	r.wait("shut")
	r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
	if n := len(r.l.runner.byPID); r.count("never") != 0 || n != 1 {
		t.Errorf("%d commands run, want the one without a lease; log %q", n, r.lines)
	}
}

// TestNothingLeaks opens and shuts many doors: no descriptor, goroutine or
// process is left, and no goroutine or process waits for a lease to end.
func TestNothingLeaks(t *testing.T) {
	r := newRig(t, 0)
	d := door("true", "true")
	source := func(i int) matcher.Addr { a := alice; a[14], a[15] = byte(i>>8), byte(i); return a }
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	const doors = 300
	for i := range doors {
		r.l.Open(r.now, d, source(i))
	}
	r.idle()
	if n := r.l.Len(); n != doors {
		t.Fatalf("%d leases", n)
	}
	if n := openFiles(t); n != fds {
		t.Errorf("%d doors are open with %d descriptors more", doors, n-fds)
	}
	if n := len(r.l.runner.byPID); n != 0 {
		t.Errorf("%d processes wait", n)
	}
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	if n := openFiles(t); n != fds {
		t.Errorf("%d descriptors more than before", n-fds)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

// TestNoProcess checks what happens when the system gives no process: the
// failure is logged, a stop command is tried again, the lease is not lost.
func TestNoProcess(t *testing.T) {
	r := newRig(t, 0)
	r.l.Open(r.now, door("echo open", "echo shut"), alice)
	r.idle()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	r.pass(31 * time.Second)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if last := r.lines[len(r.lines)-1]; !strings.HasPrefix(last, "ssh: cannot run /bin/sh: ") || r.l.Len() != 1 {
		t.Errorf("log %q, %d leases", last, r.l.Len())
	}
	r.pass(retryPause + 2*time.Millisecond)
	r.wait("shut")
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// fifo returns a named pipe for a command to wait on.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// release lets the command that reads path go on. Opening waits for it.
func release(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
}

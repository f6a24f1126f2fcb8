package exec

import (
	"os"
	"path/filepath"
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

// source returns one of the 131,072 addresses for benchmarks (RFC 2544).
func source(i int) matcher.Addr {
	a := alice
	a[12], a[13], a[14], a[15] = 198, 18+byte(i>>16), byte(i>>8), byte(i)
	return a
}

// rig drives Leases as the daemon's loop does, on a clock of its own.
type rig struct {
	t        *testing.T
	l        *Leases
	now      matcher.Time
	wall     int64
	settings Settings
	lines    []string
	taken    int // lines that wait has passed
}

func newRig(t *testing.T, max int) *rig {
	t.Helper()
	r := &rig{t: t, now: 1, wall: 1_700_000_000e9}
	r.settings = Settings{
		Limits:  Limits{AtOnce: DefaultCommands, StopTimeout: DefaultStopTimeout, StopRetries: DefaultStopRetries},
		MaxOpen: max, Boot: "boot1",
		Log: func(line string) { r.lines = append(r.lines, line) },
	}
	r.start()
	t.Cleanup(r.crash)
	return r
}

// start begins the life of a daemon with the settings.
func (r *rig) start() {
	r.t.Helper()
	l, err := NewLeases(r.settings, r.at())
	if err != nil {
		r.t.Fatal(err)
	}
	r.l = l
}

// crash ends the daemon and all commands, without a chance to do anything.
func (r *rig) crash() {
	if r.l == nil {
		return
	}
	r.l.ending = true // runs nothing that waits
	r.l.runner.waiting = nil
	for _, p := range r.l.runner.byPID {
		p.signal(unix.SIGKILL)
		unix.Wait4(p.pid, nil, 0, nil)
	}
	r.l.Close()
	r.l = nil
}

func (r *rig) at() Instant { return Instant{Now: r.now, Wall: r.wall} }

// turns runs the loop until done says so.
func (r *rig) turns(what string, done func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s; the log:\n%s", what, r.log())
		}
		ready := []unix.PollFd{{Fd: int32(r.l.FD()), Events: unix.POLLIN}}
		if n, _ := unix.Poll(ready, 1); n > 0 {
			r.l.Ready(r.at())
		}
		r.l.Reap(r.at())
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

// log returns the end of the log.
func (r *rig) log() (text string) {
	for _, line := range r.lines[max(len(r.lines)-50, 0):] {
		text += line[:min(len(line), 200)] + "\n"
	}
	return text
}

// idle runs the loop until no command runs.
func (r *rig) idle() {
	r.t.Helper()
	r.turns("all commands", func() bool { return len(r.l.runner.byPID) == 0 && len(r.l.runner.waiting) == 0 })
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	r.now, r.wall = r.now.Add(d), r.wall+int64(d)
	r.l.Expire(r.at())
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

// views returns what View shows.
func (r *rig) views() (all []View) {
	for i := 0; ; {
		v, next := r.l.View(i)
		if next < 0 {
			return all
		}
		all, i = append(all, v), next
	}
}

// only returns what View shows of the only lease.
func (r *rig) only() View {
	r.t.Helper()
	all := r.views()
	if len(all) != 1 || r.l.Len() != 1 {
		r.t.Fatalf("View shows %v and Len %d, want one lease; the log:\n%s", all, r.l.Len(), r.log())
	}
	return all[0]
}

// state checks that of the only lease.
func (r *rig) state(want string) {
	r.t.Helper()
	if v := r.only(); v.State != want {
		r.t.Fatalf("%+v, want it %s; the log:\n%s", v, want, r.log())
	}
}

// run returns how many commands run.
func (r *rig) run() int { return len(r.l.runner.byPID) }

func sshDoor(start, stop string) *Door {
	return &Door{Name: "ssh", Start: start, Stop: stop, Start6: start, Stop6: stop, Lease: 30 * time.Second}
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

// flag returns the path of a file that does not exist yet.
func flag(t *testing.T) string { return filepath.Join(t.TempDir(), "flag") }

func touch(t *testing.T, path string) { t.Helper(); write(t, path, "") }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// release lets the command that reads path go on, as soon as it is there.
func release(t *testing.T, path string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !tryRelease(t, path, "go") {
		if time.Now().After(deadline) {
			t.Fatal("no command reads " + path)
		}
		unix.Poll(nil, 1)
	}
}

// tryRelease gives a line to the command that reads path, if there is one.
func tryRelease(t *testing.T, path, line string) bool {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENXIO || err == unix.EINTR {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(line+"\n")); err != nil && err != unix.EPIPE {
		t.Fatal(err)
	}
	return err == nil
}

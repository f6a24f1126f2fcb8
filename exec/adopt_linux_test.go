package exec

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// newAdoptRig returns a rig whose daemon has been killed while the start command
// of a lease ran, which reads from gate, and has been started again. It has the
// kernel's clock, by which processes begin.
func newAdoptRig(t *testing.T) (r *rig, d *Door, pid int, gate string) {
	t.Helper()
	r = newStateRig(t, DefaultOpen, statePath(t))
	gate = fifo(t)
	d = sshDoor("read x < "+gate, "echo shut %IP%")
	r.now = bootClock(t)
	r.l.Open(r.at(), d, alice)
	for p := range r.l.runner.byPID {
		pid = p
	}
	r.killed()
	t.Cleanup(func() { unix.Kill(-pid, unix.SIGKILL) })
	return r, d, pid, gate
}

func bootClock(t *testing.T) matcher.Time {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return matcher.Time(ts.Nano())
}

// killed ends the daemon and begins another; its commands run on.
func (r *rig) killed() {
	r.t.Helper()
	r.l.Close()
	r.lines, r.taken = nil, 0
	r.start()
}

// ends lets time go by until a process has ended, which no signal tells of.
func (r *rig) ends(pid int) {
	r.t.Helper()
	r.turns("the process to end", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
	r.pass(adoptedPause + 2*time.Millisecond)
}

// TestAdopted waits for a start command that the daemon before has left behind,
// however long it runs; the lease's time begins then.
func TestAdopted(t *testing.T) {
	r, d, pid, gate := newAdoptRig(t)
	for range 3 {
		for range 50 {
			r.pass(time.Second)
		}
		if r.idle(); r.only().State != "opening" || r.logs("shut") {
			t.Fatalf("the lease is %q although its start command runs; log %q", r.only().State, r.lines)
		}
		r.killed()
	}
	if next := r.l.Next(); next > r.now.Add(2*adoptedPause) {
		t.Errorf("it is looked after in %v", time.Duration(next-r.now))
	}
	if got := r.l.Open(r.at(), d, alice); got != Queued {
		t.Errorf("a knock is %d", got)
	}
	release(t, gate)
	r.ends(pid)
	if r.only().State != "open" {
		t.Fatalf("the lease is %q after the end of its start command", r.only().State)
	}
	r.killed()
	r.pass(29 * time.Second)
	if r.idle(); r.l.Len() != 1 {
		t.Error("the lease ended before its time")
	}
	r.pass(2 * time.Second)
	r.wait("shut 192.0.2.7")
}

// TestAdoptedShut shuts a door that is being opened: as soon as that is done.
func TestAdoptedShut(t *testing.T) {
	r, d, pid, gate := newAdoptRig(t)
	if n := r.l.Shut(r.at(), "ssh", alice); n != 1 {
		t.Errorf("%d doors", n)
	}
	r.l.Open(r.at(), d, alice) // which calls it off
	r.l.Shut(r.at(), "", matcher.Addr{})
	r.pass(time.Minute)
	if r.idle(); r.l.Len() != 1 || r.logs("shut") {
		t.Fatal("shut while the start command runs")
	}
	release(t, gate)
	r.ends(pid)
	r.wait("shut 192.0.2.7")
	r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
}

// TestAdoptedInterrupt ends a daemon that has such a command.
func TestAdoptedInterrupt(t *testing.T) {
	r, _, pid, _ := newAdoptRig(t)
	r.l.CloseAll(r.at())
	r.pass(2 * time.Second)
	if r.l.Settled() {
		t.Error("all is shut while the start command runs")
	}
	r.l.Interrupt(unix.SIGTERM)
	r.ends(pid)
	r.wait("shut 192.0.2.7")
	r.turns("the door to shut", r.l.Settled)
	if r.l.Len() != 0 {
		t.Errorf("%d leases", r.l.Len())
	}
}

// TestAdoptedTooLong checks that StartTimeout counts from the command's
// beginning, not the daemon's.
func TestAdoptedTooLong(t *testing.T) {
	r, d, pid, _ := newAdoptRig(t)
	r.settings.StartTimeout = 10 * time.Second
	r.killed()
	r.pass(9 * time.Second)
	if err := unix.Kill(pid, 0); err != nil || r.logs("signal") {
		t.Fatalf("ended early: %v, log %q", err, r.lines)
	}
	r.pass(1100 * time.Millisecond)
	r.wait("ssh: command still runs, sent signal 9 (killed): " + d.Start)
	r.ends(pid)
	if r.only().State != "open" { // part of it may have been done
		t.Errorf("the lease is %q", r.only().State)
	}
}

// TestAdoptedRenewed knocks with another length, from a changed configuration:
// that does not change which process it is.
func TestAdoptedRenewed(t *testing.T) {
	for _, length := range []time.Duration{time.Second, time.Hour} {
		r, d, pid, gate := newAdoptRig(t)
		changed := *d
		changed.Lease = length
		r.l.Open(r.at(), &changed, alice)
		r.pass(2 * time.Second)
		r.killed()
		r.pass(2 * time.Second)
		if r.only().State != "opening" {
			t.Fatalf("%v: the lease is %q after a restart", length, r.only().State)
		}
		r.l.Open(r.at(), &changed, alice)
		r.synced()
		r.l.journal.replace(r.l.records)
		r.synced()
		r.killed()
		r.pass(2 * time.Second)
		if r.only().State != "opening" {
			t.Fatalf("%v: the lease is %q after the file was written anew", length, r.only().State)
		}
		release(t, gate)
		r.ends(pid)
		if v, _ := r.l.View(0); v.State != "open" || v.Until != r.now.Add(length) {
			t.Errorf("the lease is %q for %v, want %v", v.State, time.Duration(v.Until-r.now), length)
		}
	}
}

// TestRenewedWhileOpening does the same where the daemon that runs the command
// is the one that is knocked at.
func TestRenewedWhileOpening(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	r.now = bootClock(t)
	gate := fifo(t)
	d := sshDoor("read x < "+gate, "echo shut")
	r.l.Open(r.at(), d, alice)
	d.Lease = time.Hour
	r.l.Open(r.at(), d, alice)
	r.synced()
	r.l.journal.replace(r.l.records)
	r.synced()
	r.killed()
	if r.only().State != "opening" {
		t.Errorf("the lease is %q", r.only().State)
	}
	release(t, gate)
	r.turns("the process to end", func() bool { r.pass(time.Second); return r.only().State == "open" })
	r.killed()
	r.pass(3000 * time.Second)
	if r.idle(); r.l.Len() != 1 {
		t.Error("the lease has its old length after a restart")
	}
}

// TestNumberUsedAgain has processes with the number of a start command, that
// are not it.
func TestNumberUsedAgain(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "read x")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer in.Close()
	pid, now := c.Process.Pid, bootClock(t)
	for _, v := range []struct {
		what  string
		begun matcher.Time
		boot  string
		pid   int
		want  string
	}{
		{"the process itself", now, "boot1", pid, "opening"},
		{"one that began later", now.Add(-3 * time.Second), "boot1", pid, "open"},
		{"one that began before", now.Add(3 * time.Second), "boot1", pid, "open"},
		{"one of this boot", now, "boot0", pid, "open"},
		{"no process", now, "boot1", 1 << 30, "open"},
	} {
		path := statePath(t)
		lease := openRecord(1, alice, v.begun.Add(30*time.Second))
		lease.boot = v.boot
		writeRecords(t, path, lease, record{op: opRuns, id: 1, pid: v.pid})
		r := newRig(t, DefaultOpen)
		r.settings.StateFile, r.now = path, now
		r.restart()
		if r.only().State != v.want {
			t.Errorf("%s: the lease is %q, want %q", v.what, r.only().State, v.want)
		}
	}
}

// TestStartTime reads what proc(5) documents, in spite of names that mislead.
func TestStartTime(t *testing.T) {
	const fields = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234 20 21"
	for stat, want := range map[string]matcher.Time{
		"7 (sh)" + fields:                                  12.34e9,
		"7 (a) Z 1 (b c)" + fields:                         12.34e9,
		"7 (sh)" + strings.Replace(fields, "S", "Z", 1):    -1,
		"7 (sh) S 1 2 3":                                   -1,
		"7 (sh)" + strings.Replace(fields, "1234", "x", 1): -1,
		"":   -1,
		"7 ": -1,
	} {
		if got, ok := startTime(stat); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %v, %v", stat, got, ok)
		}
	}
	at, now := bootClock(t), os.Getpid()
	if began(now, at.Add(-time.Hour)) {
		t.Error("this process began an hour ago")
	}
}

package exec

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCloseAllDropsWaiting checks that no door is opened while all are shut.
func TestCloseAllDropsWaiting(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	const share = DefaultCommands / 2
	for i := range share + 5 {
		r.l.Open(r.at(), sshDoor("echo start; read x < "+gate, "echo shut"), source(i))
	}
	r.l.CloseAll(r.at())
	if n := r.l.Len(); n != share {
		t.Errorf("%d leases, want those whose start command runs", n)
	}
	r.l.Interrupt(unix.SIGKILL)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	if n := r.count("ssh: running command: echo start; read x < " + gate); n != share {
		t.Errorf("%d start commands ran, want %d", n, share)
	}
}

func TestCloseAll(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("echo open", "echo shut %IP%"), alice)
	r.idle()
	r.l.Open(r.at(), sshDoor("read x < "+gate, "echo shut %IP%"), bob) // still starting
	r.l.CloseAll(r.at())
	r.l.Open(r.at(), sshDoor("echo never", "echo never"), carol)
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
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("echo half; (trap '' TERM; read x < "+gate+"); echo never", "echo shut"), alice)
	r.l.Open(r.at(), &Door{Name: "game", Start: "echo play; read x < " + gate}, alice) // no lease: not touched
	r.turns("both to run", func() bool { return r.count("half") == 1 && r.count("play") == 1 })
	r.l.CloseAll(r.at())
	r.l.Interrupt(unix.SIGTERM)
	r.l.Interrupt(unix.SIGKILL)
	r.wait("shut")
	r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
	if n := len(r.l.runner.byPID); r.count("never") != 0 || n != 1 {
		t.Errorf("%d commands run, want the one without a lease; log %q", n, r.lines)
	}
}

// TestCloseAllDropsSecond has a lease wait for its second start command, after a
// stop command that succeeded, when every door is to be shut: it is shut already.
func TestCloseAllDropsSecond(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.AtOnce = 1
	gate := fifo(t)
	d := sshDoor("echo open", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.pass(31 * time.Second)
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), &Door{Name: "game", Start: "echo play; read x < " + gate}, bob)
	r.wait("play")
	r.state("opening")
	r.l.CloseAll(r.at())
	if r.l.Len() != 0 || !r.l.Settled() {
		t.Errorf("%d leases", r.l.Len())
	}
	release(t, gate)
	r.idle()
	if r.count("open") != 1 || r.count("shut") != 1 {
		t.Errorf("log %q", r.lines)
	}
}

// TestCloseAllFailedStart has a lease wait to run its failed start command once
// more when every door is to be shut: half of it may have been done.
func TestCloseAllFailedStart(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.AtOnce = 1
	gate := fifo(t)
	d := sshDoor("echo open; false", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.l.Open(r.at(), &Door{Name: "game", Start: "echo play; read x < " + gate}, bob)
	r.l.Open(r.at(), d, alice)
	r.state("opening")
	r.pass(time.Hour) // it has no end while it waits
	r.state("opening")
	r.l.CloseAll(r.at())
	r.state("closing")
	release(t, gate)
	r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
	if r.count("open") != 1 || r.count("shut") != 1 {
		t.Errorf("log %q", r.lines)
	}
}

// TestSettled follows it from the first door to the last.
func TestSettled(t *testing.T) {
	r := newRig(t, DefaultOpen)
	check := func(what string, want bool) {
		t.Helper()
		if r.l.Settled() != want {
			t.Errorf("%s: settled is %v", what, !want)
		}
	}
	check("without a lease", true)
	gate := fifo(t)
	d := sshDoor("true", "read x < "+gate)
	r.l.Open(r.at(), d, alice)
	check("a start command runs", false)
	r.idle()
	check("a door is open", false)
	r.l.CloseAll(r.at())
	check("a stop command runs", false)
	release(t, gate)
	r.idle()
	check("every door is shut", true)
}

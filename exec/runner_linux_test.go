package exec

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHungCommand checks that a command which never ends holds nobody up.
func TestHungCommand(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	r.l.Open(r.at(), &Door{Name: "game", Start: "read x < " + gate, Stop: "echo no"}, alice)
	r.l.Open(r.at(), sshDoor("echo open", "echo shut"), alice)
	r.wait("open")
	r.turns("the start to end", func() bool { return len(r.l.runner.byPID) == 1 })
	r.pass(31 * time.Second)
	r.wait("shut")
}

// TestOwnSession checks that a command is cut off from the daemon's terminal,
// signals and input.
func TestOwnSession(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor(`read x; echo "input: $?"; set -- $(cat /proc/$$/stat); echo "own: $(($5 == $$)) $(($6 == $$))"`, ""), alice)
	r.wait("input: 1")
	r.wait("own: 1 1")
}

// TestNoneRunTooMany lets many commands of one door hang: its others wait in
// the order of the knocks, and another door does not notice.
func TestNoneRunTooMany(t *testing.T) {
	r := newRig(t, DefaultOpen)
	dir := t.TempDir()
	game := sshDoor("read x < "+dir+"/%IP%; echo done %IP%", "echo shut %IP%")
	game.Name = "game"
	const all, share = 3 * DefaultCommands, DefaultCommands / 2
	for i := range all {
		if err := unix.Mkfifo(filepath.Join(dir, source(i).String()), 0o600); err != nil {
			t.Fatal(err)
		}
		r.l.Open(r.at(), game, source(i))
		if n := len(r.l.runner.byPID); n > share {
			t.Fatalf("%d commands of a door run at once", n)
		}
	}
	r.l.Open(r.at(), sshDoor("echo open", "echo shut"), bob)
	r.wait("open")
	r.turns("one door to be open", func() bool { return len(r.l.runner.byPID) == share })
	r.pass(31 * time.Second)
	r.wait("shut")
	for i := range all {
		release(t, filepath.Join(dir, source(i).String()))
		r.wait("done " + source(i).String())
	}
	r.idle()
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
}

// TestNoProcess checks what happens when the system gives no process: the
// failure is logged, a stop command is tried again, the lease is not lost.
func TestNoProcess(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("echo open", "echo shut"), alice)
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
	if last := r.lines[len(r.lines)-2]; !strings.HasPrefix(last, "ssh: cannot run /bin/sh: ") || r.l.Len() != 1 {
		t.Errorf("log %q, %d leases", last, r.l.Len())
	}
	r.pass(time.Second + 2*time.Millisecond)
	r.wait("shut")
}

package exec

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forgetPID takes out of a state file what tells of start commands' processes,
// as if the daemon had been killed before it could write it.
func forgetPID(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, " runs ") {
			kept.WriteString(line)
		}
	}
	if kept.Len() == len(text) {
		t.Fatalf("no process is in\n%s", text)
	}
	if err := os.WriteFile(path, []byte(kept.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOrphan finds the start command of a daemon that was killed before it had
// written down its process.
func TestOrphan(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	r.now = bootClock(t)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("read x < "+gate, "echo shut %IP%"), alice)
	pid := 0
	for pid = range r.l.runner.byPID {
	}
	defer unix.Kill(-pid, unix.SIGKILL)
	r.l.Close()
	forgetPID(t, r.settings.StateFile)
	r.start()
	if got := r.only().State; got != "opening" {
		t.Fatalf("the lease is %q while its start command runs", got)
	}
	r.pass(time.Minute)
	if r.idle(); r.logs("shut") {
		t.Fatal("shut while the start command runs")
	}
	release(t, gate)
	r.ends(pid)
	r.pass(31 * time.Second)
	r.wait("shut 192.0.2.7")
}

// TestLeftBehindIsNoOrphan does not wait for what a start command has left
// running, which has its environment.
func TestLeftBehindIsNoOrphan(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	r.now = bootClock(t)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("(read x < "+gate+") & echo open", "echo shut"), alice)
	r.wait("open")
	r.idle()
	r.l.Close()
	forgetPID(t, r.settings.StateFile)
	r.start()
	if got := r.only().State; got != "open" {
		t.Errorf("the lease is %q", got)
	}
	release(t, gate)
	r.pass(31 * time.Second)
	r.wait("shut")
}

// TestEnvironment checks what a command is told, besides what the daemon was.
func TestEnvironment(t *testing.T) {
	t.Setenv("KNOCKER", "inherited")
	r := newRig(t, DefaultOpen)
	tell := "echo $KNOCKER $SESAME_EVENT $SESAME_DOOR $SESAME_IP $SESAME_FAMILY ${SESAME_LEASE%%%%@*}"
	d := sshDoor(strings.ReplaceAll(tell, "%%%%", "%%"), strings.ReplaceAll(tell, "%%%%", "%%"))
	d.Name = "my door"
	r.l.Open(r.at(), d, alice)
	r.wait("inherited start my door 192.0.2.7 4 1")
	r.l.Open(r.at(), d, carol)
	r.wait("inherited start my door 2001:db8::7 6 2")
	r.idle()
	r.pass(31 * time.Second)
	r.turns("both doors to shut", func() bool { return r.l.Len() == 0 })
	for _, line := range []string{"inherited stop my door 192.0.2.7 4", "inherited stop my door 2001:db8::7 6"} {
		if r.count(line) != 1 {
			t.Errorf("%q is not in the log %q", line, r.lines)
		}
	}
	loose := sshDoor("echo $SESAME_EVENT $SESAME_IP $SESAME_LEASE.", "")
	r.l.Open(r.at(), loose, bob)
	r.wait("start 198.51.100.9 .")
}

package exec

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOutput checks both streams, long and unfinished lines, and that output
// comes before the status.
func TestOutput(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor(`echo one; echo two >&2; echo; head -c 1030 /dev/zero | tr '\0' x; printf end; exit 1`, ""), alice)
	r.idle()
	x := strings.Repeat("x", maxLine)
	if got := r.lines[1:]; !slices.Equal(got, []string{"one", "two", x, "xxxxxxend", "ssh: command returned non-zero status code (1)"}) {
		t.Errorf("%q", got)
	}
}

// TestOutputBeforeStatus lets a command end before its output is read.
func TestOutputBeforeStatus(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("head -c 20000 /dev/zero | tr '\\0' '\\n'; echo last words; exit 7", ""), alice)
	for pid := range r.l.runner.byPID {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.l.Reap(r.at())
	if got := r.lines[1:]; !slices.Equal(got, []string{"last words", "ssh: command returned non-zero status code (7)"}) {
		t.Errorf("%q", got)
	}
}

// TestLeftBehind checks that a child which keeps the output open does not keep
// its command from ending.
func TestLeftBehind(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("(read x < "+gate+"; echo late) & echo early", "echo shut"), alice)
	r.wait("early")
	r.idle()
	r.pass(31 * time.Second)
	r.wait("shut")
	release(t, gate)
	r.wait("late") // its output still reaches the log
	r.turns("the pipe to close", func() bool { return len(r.l.runner.byPipe) == 0 })
}

// TestManyLeftBehind checks that processes left behind cannot take every
// descriptor.
func TestManyLeftBehind(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	d := sshDoor("(read x < "+gate+") & echo left", "")
	for range maxLeft + 10 {
		r.l.Open(r.at(), d, alice)
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

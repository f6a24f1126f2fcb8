package exec

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// note is what is said, once, of a command that writes too much.
func note(command string) string {
	return "ssh: writes more than 64 kB, the rest is not logged: " + command
}

// readable reports whether the descriptor of the leases is.
func (r *rig) readable() bool {
	ready := []unix.PollFd{{Fd: int32(r.l.FD()), Events: unix.POLLIN}}
	n, _ := unix.Poll(ready, 0)
	return n > 0
}

// flooded runs the loop until the output of the only command that has some is
// not looked at any more, and checks that it is so until a quarter of a second
// from now: whatever the command writes, it wakes nobody.
func (r *rig) flooded() {
	r.t.Helper()
	var p *process
	r.turns("the output to be cut", func() bool {
		for _, p = range r.l.runner.byPipe {
			return p.muted != matcher.Never
		}
		return len(r.l.runner.byPipe) == 0
	})
	if len(r.l.runner.byPipe) == 0 {
		return
	}
	if p.muted != r.now.Add(250*time.Millisecond) || r.l.Next() > p.muted {
		r.t.Fatalf("looked at again in %v, next in %v; want 250 ms", time.Duration(p.muted-r.now), time.Duration(r.l.Next()-r.now))
	}
	if r.readable() {
		r.t.Fatal("the descriptor is ready for output that is not looked at")
	}
}

// TestFlood lets a command write too much: it is cut with one note, runs on at
// the pace of the pauses and ends as any other.
func TestFlood(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	written := flag(t)
	d := sshDoor("yes | head -c 400000; echo unseen; : > "+written+"; read x < "+gate+"; echo unheard; exit 3", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.flooded()
	cut := len(r.lines)
	if r.count(note(d.Start)) != 1 || r.lines[cut-1] != note(d.Start) {
		t.Fatalf("%d notes, the last line is %q", r.count(note(d.Start)), r.lines[cut-1])
	}
	if n := r.count("y"); n != maxOutput/2 {
		t.Errorf("%d bytes are logged, want %d", 2*n, maxOutput)
	}
	if v := r.only(); v.State != "opening" {
		t.Errorf("%+v, want the command to run on", v)
	}
	pauses := 0
	r.turns("all to be written", func() bool {
		if r.pass(250*time.Millisecond - 1); r.readable() {
			t.Fatal("woken before the pause was over")
		}
		r.pass(1)
		if n := r.wakeups(); n > 1 {
			t.Fatalf("%d wakeups in a quarter of a second", n)
		}
		pauses++
		_, err := os.Stat(written)
		return err == nil
	})
	// What is logged, what is in the pipe and what each pause lets through.
	if least := (400000 - maxOutput - 64<<10) / (68 << 10); pauses < least {
		t.Errorf("all was written after %d pauses, want %d at least", pauses, least)
	}
	release(t, gate)
	r.idle()
	if got := r.lines[cut:]; !slices.Equal(got, []string{"ssh: command returned non-zero status code (3)"}) {
		t.Errorf("after the note: %q", got)
	}
	if next := r.l.runner.next; next != matcher.Never || len(r.l.runner.byPipe) != 0 {
		t.Errorf("a deadline is left over: %v", next)
	}
	r.pass(31 * time.Second)
	r.wait("shut")
}

// wakeups calls Ready as often as the descriptor is ready at one instant.
func (r *rig) wakeups() (n int) {
	for r.readable() {
		r.l.Ready(r.at())
		n++
	}
	return n
}

// TestFloodWithoutEnd checks that a command which never stops writing is killed
// in time.
func TestFloodWithoutEnd(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.StartTimeout = 3 * time.Second
	d := sshDoor("exec yes", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.flooded()
	for range 11 {
		r.pass(250 * time.Millisecond)
		if n := r.wakeups(); n > 1 {
			t.Fatalf("%d wakeups in a quarter of a second", n)
		}
		r.flooded()
	}
	if r.run() != 1 {
		t.Fatal("the command ended before its time")
	}
	r.pass(250 * time.Millisecond)
	r.idle()
	want := []string{
		note("exec yes"),
		"ssh: command takes longer than 3 s, sent signal 15 (terminated): exec yes",
		"ssh: command was ended by signal 15 (terminated)",
	}
	if got := r.lines[len(r.lines)-3:]; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	r.turns("the output to end", func() bool { return len(r.l.runner.byPipe) == 0 })
	if r.pass(time.Second); r.l.runner.next != matcher.Never {
		t.Errorf("a deadline is left over: %v", r.l.runner.next)
	}
}

// TestFloodLeftBehind lets a child write without end after its command has.
func TestFloodLeftBehind(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := sshDoor("yes & echo pid $!", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.turns("the command to end", func() bool { return r.run() == 0 })
	r.state("open")
	pid := r.pids(1)[0]
	defer unix.Kill(pid, unix.SIGKILL)
	r.flooded()
	for range 10 {
		r.pass(250 * time.Millisecond)
		if n := r.wakeups(); n > 1 {
			t.Fatalf("%d wakeups in a quarter of a second", n)
		}
		r.flooded()
	}
	if n := r.count(note(d.Start)); n != 1 {
		t.Errorf("%d notes", n)
	}
	r.pass(31 * time.Second)
	r.wait("shut")
	r.idle()
	unix.Kill(pid, unix.SIGKILL)
	r.turns("the output to end", func() bool { return len(r.l.runner.byPipe) == 0 })
	if r.pass(time.Second); r.l.Next() != matcher.Never {
		t.Errorf("a deadline is left over: %v", r.l.Next())
	}
}

// TestFloodLimit writes as much as is logged, and a byte more; the line that is
// cut comes before the note.
func TestFloodLimit(t *testing.T) {
	for _, c := range []struct{ bytes, line int }{
		{maxOutput - 1, 1000}, {maxOutput, 1000}, {maxOutput + 1, 1000}, {maxOutput + 5000, 1000},
		{maxOutput, 1024}, {maxOutput + 1, 1024}, {maxOutput + 1, 1 << 20},
	} {
		t.Run(fmt.Sprint(c.bytes-maxOutput, c.line), func(t *testing.T) {
			r := newRig(t, DefaultOpen)
			text := strings.Repeat(strings.Repeat("x", c.line-1)+"\n", c.bytes/c.line+1)[:c.bytes]
			file := flag(t)
			write(t, file, text)
			d := sshDoor("cat "+file+"; exit 1", "")
			r.l.Open(r.at(), d, alice)
			r.idle()
			want := []string{"ssh: running command: " + d.Start}
			for line := range strings.Lines(text[:min(c.bytes, maxOutput)]) {
				for line = strings.TrimSuffix(line, "\n"); len(line) > maxLine; line = line[maxLine:] {
					want = append(want, line[:maxLine])
				}
				want = append(want, line)
			}
			if c.bytes > maxOutput {
				want = append(want, note(d.Start))
			}
			want = append(want, "ssh: command returned non-zero status code (1)")
			if !slices.Equal(r.lines, want) {
				t.Errorf("%d lines, want %d; the last are %.200q", len(r.lines), len(want), r.lines[max(len(r.lines)-3, 0):])
			}
		})
	}
}

// TestFloodInPieces checks that the limit counts what a command writes over its
// whole life.
func TestFloodInPieces(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	d := sshDoor("for i in 1 2 3 4; do head -c 16384 /dev/zero | tr '\\0' x; echo; echo piece $i; read x < "+gate+"; done", "")
	r.l.Open(r.at(), d, alice)
	for i := range 3 {
		r.wait(fmt.Sprint("piece ", i+1))
		release(t, gate)
	}
	r.turns("the note", func() bool { return r.count(note(d.Start)) == 1 })
	r.flooded()
	release(t, gate)
	r.idle()
	if r.lines[len(r.lines)-1] != note(d.Start) || r.count("piece 4") != 0 {
		t.Errorf("the last line is %.200q", r.lines[len(r.lines)-1])
	}
}

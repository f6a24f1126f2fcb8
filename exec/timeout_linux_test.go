package exec

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// runs reports whether a process runs; a zombie has ended.
func runs(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	state := string(b[strings.LastIndexByte(string(b), ')')+2])
	return state != "Z" && state != "X"
}

// pids returns the processes that have told their number to the log, as soon as
// there are n.
func (r *rig) pids(n int) (pids []int) {
	r.t.Helper()
	r.turns("the commands to begin", func() bool {
		pids = nil
		for _, line := range r.lines {
			if text, ok := strings.CutPrefix(line, "pid "); ok {
				pid, err := strconv.Atoi(text)
				if err != nil {
					r.t.Fatal(err)
				}
				pids = append(pids, pid)
			}
		}
		return len(pids) == n
	})
	return pids
}

const (
	leader  = "echo pid $$; "
	child   = `sh -c 'echo pid $$; exec sleep 1000'; `
	deafKid = `sh -c 'trap "" TERM; echo pid $$; exec sleep 1000'; `
)

// TestTimeout checks that nothing of a command is left that takes too long.
func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		name, command string
		deaf          bool // SIGTERM does not end it
		end           string
	}{
		{"with a child", leader + child + "echo never", false, "ssh: command was ended by signal 15 (terminated)"},
		{"deaf", "trap '' TERM; " + leader + child + "echo never", true, "ssh: command was ended by signal 9 (killed)"},
		{"deaf child", leader + deafKid + "echo never", false, "ssh: command was ended by signal 15 (terminated)"},
		{"deaf child in the background", leader + strings.ReplaceAll(deafKid, "; ", " & ") + "wait", false, "ssh: command was ended by signal 15 (terminated)"},
		{"seems to succeed", "trap 'exit 0' TERM; " + leader + child + "echo never", false, ""},
	} {
		for _, e := range []event{start, stop} {
			t.Run(c.name+" "+[]string{"start", "stop"}[e], func(t *testing.T) {
				r := newRig(t, DefaultOpen)
				r.l.StartTimeout, r.l.StopTimeout = 20*time.Second, 20*time.Second
				d := sshDoor(c.command, "")
				if e == stop {
					d = sshDoor("true", c.command)
				}
				r.l.Open(r.at(), d, alice)
				if e == stop {
					r.idle()
					r.pass(31 * time.Second)
				}
				begun := r.now
				pids := r.pids(2)
				if next := r.l.Next(); next != begun.Add(20*time.Second) {
					t.Errorf("next in %v, want the timeout", time.Duration(next-begun))
				}
				r.pass(20*time.Second - 1)
				if n := r.count("ssh: command takes longer than 20 s, sent signal 15 (terminated): " + c.command); n != 0 {
					t.Fatal("ended before its time")
				}
				r.pass(1)
				if n := r.count("ssh: command takes longer than 20 s, sent signal 15 (terminated): " + c.command); n != 1 {
					t.Fatalf("SIGTERM is logged %d times", n)
				}
				if c.deaf {
					if next := r.l.Next(); next != r.now.Add(5*time.Second) {
						t.Errorf("next in %v, want it before SIGKILL", time.Duration(next-r.now))
					}
					r.pass(5*time.Second - 1)
					if !runs(pids[0]) || !runs(pids[1]) {
						t.Fatal("killed before its time")
					}
					r.pass(1)
				}
				r.idle()
				r.turns("the processes to end", func() bool { return !runs(pids[0]) && !runs(pids[1]) })
				if n := r.count("ssh: command takes longer than 20 s, sent signal 9 (killed): " + c.command); (n == 1) != c.deaf {
					t.Errorf("SIGKILL is logged %d times", n)
				}
				if c.end != "" && r.count(c.end) != 1 || r.count("never") != 0 {
					t.Errorf("log %q", r.lines)
				}
				r.turns("the output to end", func() bool { return len(r.l.runner.byPipe) == 0 })
				if s := r.l.Stats(); s.StartFailed+s.StopFailed != 1 {
					t.Errorf("%+v, want one failure", s)
				}
				if e == start {
					if next := r.l.Next(); next != matcher.Never {
						t.Errorf("next in %v, want never", time.Duration(next-r.now))
					}
					return
				}
				if v := r.only(); v.State != "retrying" || v.Tries != 1 || r.l.runner.next != matcher.Never {
					t.Errorf("%+v, deadline %v; want it tried again", v, r.l.runner.next)
				}
			})
		}
	}
}

// TestTimeoutOfEach checks that each kind of command has its own timeout, that
// 0 stands for none, and that the earliest one counts.
func TestTimeoutOfEach(t *testing.T) {
	for _, c := range []struct{ start, stop time.Duration }{{0, 0}, {time.Minute, 0}, {0, time.Minute}} {
		r := newRig(t, DefaultOpen)
		limits := r.l.Limits
		limits.StartTimeout, limits.StopTimeout = c.start, c.stop
		r.l.SetLimits(r.at(), limits)
		gate := fifo(t)
		r.l.Open(r.at(), sshDoor("true", "echo stop; read x < "+gate), alice)
		r.idle()
		r.pass(30*time.Second + late)
		r.wait("stop")
		r.l.Open(r.at(), &Door{Name: "game", Start: "echo start; read x < " + gate}, bob)
		r.wait("start")
		want := matcher.Never
		if c.start+c.stop > 0 {
			want = r.now.Add(time.Minute)
		}
		if next := r.l.Next(); next != want {
			t.Errorf("%+v: next in %v", c, time.Duration(next-r.now))
		}
		r.pass(time.Minute)
		if want == matcher.Never {
			r.pass(1000 * time.Hour)
		}
		killed := r.count("ssh: command takes longer than 60 s, sent signal 15 (terminated): echo stop; read x < "+gate) +
			2*r.count("game: command takes longer than 60 s, sent signal 15 (terminated): echo start; read x < "+gate)
		if wanted := int(c.start/time.Minute)*2 + int(c.stop/time.Minute); killed != wanted {
			t.Errorf("%+v: killed %d, want %d", c, killed, wanted)
		}
	}
}

// TestTimeoutsOfMany checks that Next tells the earliest of many ends, also
// when commands end before theirs.
func TestTimeoutsOfMany(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.StartTimeout = 10 * time.Second
	var pids []int
	for i := range 5 {
		r.l.Open(r.at(), &Door{Name: "game" + strconv.Itoa(i), Start: leader + "read x < " + fifo(t)}, alice)
		if next := r.l.Next(); next != matcher.Time(1).Add(10*time.Second) {
			t.Fatalf("next in %v, want the end of the first command's time", time.Duration(next-r.now))
		}
		pids = r.pids(i + 1)
		r.pass(time.Second)
	}
	for i, at := range []time.Duration{5, 6, 7, 8} {
		if next := r.l.Next(); next != r.now.Add(at*time.Second) {
			t.Fatalf("with %d commands: next in %v, want %v s", 5-i, time.Duration(next-r.now), int64(at))
		}
		unix.Kill(pids[i], unix.SIGKILL)
		r.turns("one to end", func() bool { return r.run() == 4-i })
	}
	unix.Kill(pids[4], unix.SIGKILL)
	r.idle()
	if next := r.l.Next(); next != matcher.Never {
		t.Errorf("next %v after the last command", next)
	}
}

// TestInterruptedChild checks that a child which does not heed the signal to a
// start command is not there any more when the stop command runs.
func TestInterruptedChild(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor(leader+deafKid+"echo never", "echo shut"), alice)
	pids := r.pids(2)
	r.l.CloseAll(r.at())
	r.l.Interrupt(unix.SIGTERM)
	r.wait("shut")
	r.turns("the processes to end", func() bool { return !runs(pids[0]) && !runs(pids[1]) })
}

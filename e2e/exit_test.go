package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With close_on_exit = no doors stay open, and their time goes on in the next
// daemon.
func TestCloseOnExitNo(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no such key")
	s := newSteps(t, 600)
	s.start.open()
	s.stop.open()
	d := s.serve("close_on_exit = no\n" + s.text)
	d.open("door", doc(1), "opened")
	s.await("begin opened")
	d.awaitOpen(1)
	before := d.lease("door", doc(1))
	d.end(0)
	d.wait("1 doors are still open")
	d.wait(", as " + d.stateFile() + " says")
	d.want("shut it with", 0)
	s.wantFriends(doc(1))
	d = d.again()
	if after := d.lease("door", doc(1)); after.State != "open" || after.Left > before.Left {
		t.Errorf("in the next daemon the lease is %+v, before %+v", after, before)
	}
	d.shut(1)
	d.awaitShut()
	s.await("begin opened close shut")
	s.wantFriends()
}

// Forty open doors are shut within the time that an exit may take.
func TestTermWithManyDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves them open")
	l := newLab(t)
	add, remove := l.nftGate()
	d := l.serve("[door]\n\tsequence = 7000\n\tcmd_timeout = 600\n\tstart_command = " + add +
		"\n\tstop_command = sleep 0.2; " + remove + "\n")
	var all []string
	for i := range 40 {
		all = append(all, doc(i))
		d.open("door", doc(i), "opened")
	}
	d.awaitOpen(40)
	l.wantFriends(all...)
	if took := d.end(0); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
	l.wantFriends()
	d.want("still open", 0)
	d = d.again()
	d.awaitOpen(0)
	d.want("from before", 0)
}

// A stop command that hangs does not keep the daemon from ending. The next one
// shuts the door, although its time is not over.
func TestTermWhileAStopHangs(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the door open")
	s := newSteps(t, 600)
	s.start.open()
	d := s.serve(s.text + fmt.Sprintf("[other]\n\tsequence = 6000\n\tcmd_timeout = 600\n"+
		"\tstart_command = echo > %[1]s\n\tstop_command = rm %[1]s\n", s.folder("rules")+"/%IP%"))
	d.open("door", doc(1), "opened")
	d.open("other", doc(2), "opened")
	s.await("begin opened")
	d.awaitOpen(2)
	took := d.end(0)
	if took < 9*time.Second || took > 11*time.Second {
		t.Errorf("the end took %v, want about 10 s", took)
	}
	d.wait("1 doors are still open; the next start shuts them, as " + d.stateFile() + " says")
	d.wait("a door was left open, shut it with: ")
	d.wait("delete element inet gate friends { " + doc(1) + " }")
	d.want("shut it with", 1)
	s.wantFriends(doc(1))
	if got := s.files("rules"); len(got) > 0 {
		t.Errorf("of the other door %q is left", got)
	}
	d = d.again()
	d.wait("1 doors are open from before, 1 of them overdue")
	s.stop.open()
	d.awaitShut()
	s.wantFriends()
}

// Told twice to end, the daemon waits for nothing.
func TestSecondTerm(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it ends at the first")
	s := newSteps(t, 600)
	s.start.open()
	d := s.serve(s.text)
	d.open("door", doc(1), "opened")
	s.await("begin opened")
	d.awaitOpen(1)
	d.signal(syscall.SIGTERM)
	s.await("begin opened close")
	d.want("still open", 0)
	if took := d.end(0); took > time.Second {
		t.Errorf("the end took %v", took)
	}
	d.wait("1 doors are still open")
	d = d.again()
	d.wait("1 doors are open from before, 1 of them overdue")
	s.stop.open()
	d.awaitShut()
	s.wantFriends()
}

// A start command that does not end at an exit is ended, with its children, so
// that its door can be shut: first gently, then not.
func TestTermEndsStartCommands(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves them running")
	l := newLab(t)
	rule := l.folder("rules") + "/%IP%"
	d := l.serve(fmt.Sprintf(`
[gentle]
	sequence = 7000
	cmd_timeout = 600
	start_command = echo gentle > %[1]s; sleep 100000 & wait
	stop_command = rm %[1]s
[stubborn]
	sequence = 6000
	cmd_timeout = 600
	start_command = trap "" TERM; echo stubborn > %[1]s; sleep 100000 & wait
	stop_command = rm %[1]s
`, rule))
	d.open("gentle", doc(1), "opened")
	d.open("stubborn", doc(2), "opened")
	eventually(t, "both to be half open", func() bool { return len(l.files("rules")) == 2 })
	if took := d.end(0); took > 8*time.Second {
		t.Errorf("the end took %v", took)
	}
	d.wait("gentle: command still runs, sent signal 15")
	d.wait("gentle: command was ended by signal 15")
	d.wait("stubborn: command still runs, sent signal 9")
	d.wait("stubborn: command was ended by signal 9")
	d.want("still open", 0)
	if got := l.files("rules"); len(got) > 0 {
		t.Errorf("%q is left", got)
	}
	eventually(t, "their children to end", func() bool { return len(l.strays()) == 0 })
}

// Two daemons are one too many for a state file, and enough for two.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no state file")
	l := newLab(t)
	const text = "[door]\n\tsequence = 7000\n\tcmd_timeout = 600\n\tstart_command = :\n\tstop_command = :\n"
	first := l.serve(text)
	first.open("door", doc(1), "opened")

	refused := func(why string, args ...string) {
		t.Helper()
		code, out := l.command(args...)
		want := fmt.Sprintf("use the state file %s: it is in use by process %d; a second daemon needs a StateFile of its own",
			first.stateFile(), first.status().PID)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: exit status %d, want 1 and %q:\n%s", why, code, want, out)
		}
	}
	refused("same configuration", "-i", "wan", "-c", first.conf)
	refused("same StateFile", "-i", "wan", "-c", l.file("same.conf", "[options]\n\tStateFile = "+first.stateFile()+"\n"+text))
	refused("detached", "-d", "-i", "wan", "-c", first.conf, "-p", l.dir+"/pid")

	// The other interface, another configuration, and a StateFile of its own.
	second := l.launch(underTest(t), "-i", "lo", "-c", first.conf)
	second.wait("starting up, listening on lo")
	third := l.serveFile(l.file("third.conf", text+sentinel))
	own := l.dir + "/own/state/file"
	fourth := l.serveFile(l.file("fourth.conf", "[options]\n\tStateFile = "+own+"\n"+text+sentinel))
	fourth.open("door", doc(2), "opened")
	fourth.open("door", doc(3), "opened")
	files := []string{first.status().StateFile, third.status().StateFile, fourth.status().StateFile}
	if !slices.Equal(files, []string{first.stateFile(), third.stateFile(), own}) {
		t.Errorf("state files %q", files)
	}
	first.awaitOpen(1)
	third.awaitOpen(0)
	fourth.awaitOpen(2)
	for _, d := range []*served{first, third, fourth} {
		d.kill()
	}
	first.again().awaitOpen(1)
	third.again().awaitOpen(0)
	fourth.again().awaitOpen(2)
}

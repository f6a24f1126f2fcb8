package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sesame/control"
)

// A stop command that fails is run again until it works, and meanwhile the log
// and the status say so.
func TestStopIsRetried(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it runs it once")
	l := newLab(t)
	add, remove := l.nftGate()
	d := l.serve(fmt.Sprintf("[door]\n\tsequence = 7000,8000,9000\n\ttcpflags = syn\n\tcmd_timeout = 1\n\tstart_command = %s\n"+
		"\tstop_command = echo x >> %s; test $(wc -l < %[2]s) -gt 2 || exit 7; %s && echo removed\n",
		add, l.dir+"/tries", remove))
	l.knock(gateway, "7000", "8000", "9000")
	d.wait("door: command returned non-zero status code (7)")
	d.wait(client + ": door: the door may still be open, trying again in 1 s (1 of 10)")
	got := d.awaitState("door", client, "retrying")
	if got.Failures < 1 || got.Failures > 2 || got.Left > 2*time.Second {
		t.Errorf("the status says %+v", got)
	}
	l.wantFriends(client)
	d.wait(client + ": door: the door may still be open, trying again in 2 s (2 of 10)")
	got = d.awaitState("door", client, "retrying")
	if _, out := l.command("status", "-c", d.conf); !strings.Contains(out, "retrying, stop failures: 2") || got.Failures != 2 {
		t.Errorf("%d failures in:\n%s", got.Failures, out)
	}
	d.hear("removed")
	d.awaitShut()
	l.wantFriends()
	if s := d.status(); s.Counters[control.StopFailures] != 2 || s.Counters[control.Openings] != 1 {
		t.Errorf("%d stop failures, %d openings", s.Counters[control.StopFailures], s.Counters[control.Openings])
	}
	d.want("trying again", 2)
}

// Without retries the lease is stuck: it stays in sight, can be shut by hand,
// is tried once more at the end, and at the next start.
func TestStuckStop(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it forgets the door")
	l := newLab(t)
	add, remove := l.nftGate()
	d := l.serve(fmt.Sprintf("stop_retries = 0\n[door]\n\tsequence = 7000\n\tcmd_timeout = 1\n\tstart_command = %s\n"+
		"\tstop_command = echo trying; test -e %s && %s\n", add, l.dir+"/works", remove))
	d.open("door", doc(1), "opened")
	d.wait(doc(1) + ": door: stuck: the stop command failed 1 times, the door may be open; run it by hand, or sesame close")
	if got := d.lease("door", doc(1)); got.State != "stuck" || got.Failures != 1 || got.Left != control.Unknown {
		t.Errorf("the status says %+v", got)
	}
	if code, out := l.command("status", "-c", d.conf); code != 0 || !strings.Contains(out, "stuck, stop failures: 1") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	if code, out := l.command("close", "-c", d.conf); code != 1 || !strings.Contains(out, "the stop command failed") {
		t.Errorf("exit status %d of close:\n%s", code, out)
	}
	d.flush()
	d.want("running command: echo trying", 2)
	l.wantFriends(doc(1))
	if took := d.end(0); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	d.want("running command: echo trying", 3)
	d.wait("1 doors are still open; the next start shuts them")
	d = d.again()
	d.wait("1 doors are open from before, 1 of them overdue")
	d.wait("stuck: the stop command failed 1 times")
	d.kill()
	l.file("works", "")
	d = d.again()
	d.wait("1 doors are open from before, 1 of them overdue")
	d.awaitShut()
	l.wantFriends()
}

// command_timeout ends a start command that hangs, and its children, and the
// door is shut as any other. One that heeds no SIGTERM is killed.
func TestCommandTimeout(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it waits for ever")
	l := newLab(t)
	rule := l.folder("rules") + "/%IP%"
	d := l.serve(fmt.Sprintf(`
	command_timeout = 1
[gentle]
	sequence = 7000
	cmd_timeout = 600
	start_command = echo gentle > %[1]s; sleep 100000 & sleep 100000
	stop_command = rm %[1]s
[stubborn]
	sequence = 6000
	cmd_timeout = 600
	start_command = trap "" TERM; echo stubborn > %[1]s; sleep 100000 & sleep 100000
	stop_command = rm %[1]s
[orphan]
	sequence = 5000
	cmd_timeout = 600
	start_command = (trap "" TERM; sleep 100000) & echo orphan > %[1]s; sleep 100000
	stop_command = rm %[1]s
`, rule))
	for i, door := range []string{"gentle", "stubborn", "orphan"} {
		d.open(door, doc(i), "opened")
	}
	d.wait("gentle: command takes longer than 1 s, sent signal 15 (terminated): echo gentle")
	d.wait("gentle: command was ended by signal 15 (terminated)")
	d.wait("stubborn: command takes longer than 1 s, sent signal 9 (killed)")
	d.wait("stubborn: command was ended by signal 9 (killed)")
	d.awaitOpen(3)
	eventually(t, "the commands' children to end", func() bool { return len(l.strays()) == 1 })
	if n := d.status().Counters[control.StartFailures]; n != 3 {
		t.Errorf("%d start failures, want 3", n)
	}
	if got := l.files("rules"); len(got) != 3 {
		t.Errorf("rules %q", got)
	}
	d.shut(3)
	d.awaitShut()
	if got := l.files("rules"); len(got) != 0 {
		t.Errorf("%q is left", got)
	}
}

// max_commands bounds what runs at once. One door takes at most half of the
// places, and start commands leave a quarter to stop commands.
func TestMaxCommands(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it runs all at once")
	l := newLab(t)
	gate := l.gate("gate")
	text := "max_commands = 4\n[swift]\n\tsequence = 5000\n\tcmd_timeout = 600\n\tstart_command = :\n\tstop_command = echo swift is shut\n"
	for _, door := range []string{"a", "b"} {
		text += fmt.Sprintf("[%s]\n\tsequence = 7000\n\tcmd_timeout = 600\n"+
			"\tstart_command = echo x > %s; read x < %s\n\tstop_command = echo %[1]s is shut\n", door, l.dir+"/"+door+"-%IP%", gate.path)
	}
	d := l.serve(text)
	d.open("swift", doc(0), "opened")
	d.awaitOpen(1)
	runs := func(door string, n int) {
		t.Helper()
		l.settle(d.process)
		d.want(door+": running command: echo x", n)
	}
	for i := range 5 {
		d.open("a", doc(i), "opened")
	}
	runs("a", 2)
	for i := range 5 {
		d.open("b", doc(i), "opened")
	}
	runs("b", 1)
	d.open("swift", doc(1), "opened") // waits as well
	d.wait("commands run already, those that follow wait (max_commands, command_timeout)")
	d.shut(1, "swift", doc(0))
	d.hear("swift is shut")
	runs("a", 2)
	runs("b", 1)
	gate.open()
	d.awaitOpen(11)
	if files, err := filepath.Glob(l.dir + "/[ab]-*"); len(files) != 10 || err != nil {
		t.Errorf("commands of %d doors have run, %v", len(files), err)
	}
	d.shut(11)
	d.awaitShut()
	d.want("is shut", 2*12) // the log quotes the command
}

// A crowd of short commands never exceeds the bound.
func TestMaxCommandsIsNeverExceeded(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it runs all at once")
	l := newLab(t)
	running := l.folder("running")
	peaks := l.file("peaks", "")
	// Each command counts those that run with it.
	work := fmt.Sprintf("echo > %s/$$; ls %[1]s | wc -l >> %s; sleep 0.0$(($$ %% 20)); rm %[1]s/$$", running, peaks)
	d := l.serve("max_commands = 3\n[door]\n\tsequence = 7000\n\tcmd_timeout = 0\n\tstart_command = " + work +
		"\n\tstop_command = " + work + "\n[gate]\n\tsequence = 6000\n\tcmd_timeout = 0\n\tstart_command = " + work +
		"\n\tstop_command = " + work + "\n")
	for i := range 60 {
		d.open([]string{"door", "gate"}[i%2], doc(i), "opened")
	}
	d.awaitShut()
	text, err := os.ReadFile(peaks)
	if err != nil {
		t.Fatal(err)
	}
	counts := strings.Fields(string(text))
	for _, n := range counts {
		if n > "3" {
			t.Errorf("%s commands ran at once", n)
		}
	}
	if len(counts) != 120 {
		t.Errorf("%d commands ran, want 120", len(counts))
	}
}

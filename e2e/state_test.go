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

// reboot makes the kernel's boot id another one for what is started from now
// on. The clocks go on.
func (l *lab) reboot() {
	l.t.Helper()
	l.run("mount", "--bind", l.file("boot_id", "deadbeef-0000-4000-8000-000000000000\n"), "/proc/sys/kernel/random/boot_id")
}

// pass waits until a door's lease would have ended.
func (l *lab) pass(d control.Door) {
	l.t.Helper()
	end := d.Opened + int64(time.Second)
	eventually(l.t, "the time of the lease to pass", func() bool { return time.Now().UnixNano() > end })
}

// After a reboot the wall clock says what is overdue and what is left of the
// rest.
func TestRebootRunsStops(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it knows of none after a reboot")
	l := newLab(t)
	add, remove := l.nftGate()
	door := "\tsequence = 7000\n\tstart_command = " + add + "\n\tstop_command = " + remove + " && echo %IP% is shut\n"
	d := l.serve("[short]\n\tcmd_timeout = 1\n" + door + "[long]\n\tcmd_timeout = 600\n" + door)
	d.open("long", doc(2), "opened")
	d.awaitOpen(1)
	before := d.lease("long", doc(2))
	d.open("short", doc(1), "opened")
	short := d.lease("short", doc(1))
	eventually(t, "the rules", func() bool { return len(l.friends()) == 2 })
	d.kill()
	l.pass(short)
	l.wantFriends(doc(1), doc(2))
	l.reboot()
	d = d.again()
	d.wait("2 doors are open from before, 1 of them overdue")
	d.hear(doc(1) + " is shut")
	d.awaitOpen(1)
	l.wantFriends(doc(2))
	after := d.lease("long", doc(2))
	if after.Left >= before.Left || after.Left < before.Left-time.Minute {
		t.Errorf("%v are left, before %v", after.Left, before.Left)
	}
	eventually(t, "the state file to tell of this boot", func() bool {
		text, err := os.ReadFile(d.stateFile())
		return err == nil && strings.Contains(string(text), " deadbeef ")
	})
	d.kill() // and now in the same boot
	d = d.again()
	d.wait("1 doors are open from before, 0 of them overdue")
	d.shut(1)
	d.awaitShut()
	l.wantFriends()
}

// after_reboot = forget is for a firewall that a reboot empties.
func TestRebootForgets(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it knows of none after a reboot")
	l := newLab(t)
	door := "\tsequence = 7000\n\tstart_command = :\n\tstop_command = echo %IP% is shut\n"
	d := l.serve("after_reboot = forget\n[short]\n\tcmd_timeout = 1\n" + door + "[long]\n\tcmd_timeout = 600\n" + door)
	d.open("long", doc(2), "opened")
	d.open("short", doc(1), "opened")
	short := d.lease("short", doc(1))
	d.kill()
	l.pass(short)
	d = d.again() // the same boot: nothing is forgotten
	d.hear(doc(1) + " is shut")
	d.awaitOpen(1)
	d.open("short", doc(3), "opened")
	d.kill()
	l.reboot()
	d = d.again()
	d.wait("2 doors were open before the machine was started anew, forgotten (after_reboot = forget)")
	d.awaitOpen(0)
	d.end(0)
	d.want("is shut", 0)
	d = d.again()
	d.awaitOpen(0)
	d.want("from before", 0)
}

// small mounts a file system of one page, with options, in the lab's folder.
// It is on the gateway alone.
func (l *lab) small(options string) string {
	l.t.Helper()
	dir := l.folder("small")
	l.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir)
	return dir
}

// On a full disk a door is not opened, because it could stay open for ever.
// Those that are open are shut, which makes room again.
func TestStateFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no state file")
	l := newLab(t)
	rules := l.folder("rules")
	d := l.serve(fmt.Sprintf("StateFile = %s/state\n[door]\n\tsequence = 7000,8000,9000\n\ttcpflags = syn\n\tcmd_timeout = 600\n"+
		"\tstart_command = echo > %s/%%IP%%\n\tstop_command = rm %[2]s/%%IP%%\n", l.small("size=4k"), rules))
	fill := func() (n int) {
		t.Helper()
		for ; n < 100; n++ {
			outcome, err := ask(d.socket, "open", "door", doc(n))
			if err != nil {
				t.Fatal(err)
			}
			if outcome == "refused" {
				return n
			}
		}
		t.Error("4 kB hold 100 leases")
		return n
	}
	n := fill()
	d.wait(doc(n) + ": door: not opened: its end could be forgotten: write the state file")
	d.awaitOpen(n)
	if got := l.files("rules"); len(got) != n || n == 0 {
		t.Errorf("%d doors are open, with the rules %q", n, got)
	}
	if got := d.status().Counters[control.RefusedOpenings]; got != 1 {
		t.Errorf("%d refused openings, want 1", got)
	}
	l.knock(gateway, "7000", "8000", "9000")
	d.wait(client + ": door: not opened: its end could be forgotten")
	d.kill()
	d = d.again()
	d.awaitOpen(n)
	d.shut(n)
	d.awaitShut()
	if got := l.files("rules"); len(got) > 0 {
		t.Errorf("%q is left", got)
	}
	for range 30 { // far more than the file holds
		d.open("door", doc(1), "opened")
		d.shut(1)
		d.awaitShut()
	}
	n = fill()
	d.awaitOpen(n)
	d.end(0)
	if got := l.files("rules"); len(got) > 0 {
		t.Errorf("%q is left after the end", got)
	}
	d = d.again()
	d.awaitOpen(0)
}

// A StateFile that is asked for and cannot be had ends the start.
func TestStateFileCannotBeHad(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no state file")
	l := newLab(t)
	dir := l.small("size=4k,nr_inodes=8")
	for name, tt := range map[string]struct{ prepare, file, want string }{
		"full":      {"head -c 4096 /dev/zero > full", "state", "no space left on device"},
		"directory": {"mkdir state", "state", "directory"},
		"fifo":      {"mkfifo state", "state", "regular file"},
		"foreign":   {"echo '#!/bin/sh' > state", "state", "it is something else, and was left as it is; name another StateFile"},
		"below":     {"echo > file", "file/state", "not a directory"},
		"read-only": {"mount -o remount,ro tmpfs .", "state", "read-only file system"},
	} {
		t.Run(name, func(t *testing.T) {
			l.run("sh", "-c", "cd "+dir+" && mount -o remount,rw tmpfs . && rm -rf ./* && "+tt.prepare)
			conf := l.file("bad.conf", "[options]\n\tStateFile = "+filepath.Join(dir, tt.file)+sentinel)
			code, out := l.command("-i", "wan", "-c", conf)
			if code != 1 || !strings.Contains(out, "use the state file "+filepath.Join(dir, tt.file)) || !strings.Contains(out, tt.want) {
				t.Errorf("exit status %d, want 1 and %q:\n%s", code, tt.want, out)
			}
			if lines := strings.Count(out, "\n") + 1; lines != 1 {
				t.Errorf("%d lines:\n%s", lines, out)
			}
		})
	}
}

// Where the usual directory cannot be written to, the next best is used, and in
// the end none, with a warning.
func TestStateDirectoryReadOnly(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no state file")
	l := newLab(t)
	conf := l.config(underTest(t), "[door]\n\tsequence = 7000,8000,9000\n\ttcpflags = syn\n\tcmd_timeout = 600\n\tstart_command = echo open\n\tstop_command = echo shut\n")
	dir := l.small("ro")
	run := os.Getenv("RUNTIME_DIRECTORY")

	p := l.launch(daemon{path: "env"}, "STATE_DIRECTORY="+dir, underTest(t).path, "-i", "wan", "-c", conf)
	d := l.servedBy(p, conf)
	state := strings.TrimSuffix(d.socket, control.Suffix) + ".state"
	d.wait("read-only file system; " + state + " is used, which a reboot may not leave")
	d.wait("starting up")
	l.knock(gateway, "7000", "8000", "9000")
	d.hear("open")
	if got := d.status().StateFile; got != state || filepath.Dir(got) != run {
		t.Errorf("the state file is %q", got)
	}
	d.kill()
	p = l.launch(daemon{path: "env"}, "STATE_DIRECTORY="+dir, underTest(t).path, "-i", "wan", "-c", conf)
	d = l.servedBy(p, conf)
	d.wait("1 doors are open from before, 0 of them overdue")
	d.end(0)
	d.hear("shut")

	p = l.launch(daemon{path: "env"}, "STATE_DIRECTORY="+dir, "RUNTIME_DIRECTORY="+dir, underTest(t).path, "-i", "wan", "-c", conf)
	p.wait("leases are kept in memory: doors stay open if the daemon is killed; set StateFile to a place that can be written to")
	p.wait("sesame status, open and close do not reach this daemon")
	p.wait("starting up")
	l.knock(gateway, "7000", "8000", "9000")
	p.hear("open")
	d = l.servedBy(p, conf)
	d.end(0)
	d.hear("shut")
}

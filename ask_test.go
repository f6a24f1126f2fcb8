package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sesame/control"
)

// command runs the program while the daemon's loop runs, and returns its exit
// status and what it has printed.
func (d *daemon) command(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = f, f
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	done := make(chan int, 1)
	go func() { done <- run("sesame", args) }()
	d.turns(t, fmt.Sprint(args), func() bool {
		select {
		case status = <-done:
			return true
		default:
			return false
		}
	})
	return status, read(t, f.Name())
}

// TestCommands runs what a user runs, with a daemon and without.
func TestCommands(t *testing.T) {
	d, p := requestDaemon(t, requestDoors)
	d.withSocket(t, "lo")
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"status", "--prometheus"}, {"open", "ssh", "192.0.2.7"}, {"close"}, {"close", "ssh"}} {
		status, out := d.command(t, args...)
		if want := "sesame: look for daemons in " + p.run + ": no sesame daemon is running\n"; status != 3 || out != want {
			t.Errorf("%q: status %d, %q; want 3, %q", args, status, out, want)
		}
	}
	d.openControl(d.doors.config)
	if d.control == nil {
		t.Fatal(p.log())
	}
	t.Cleanup(d.control.Close)
	d.loop.watch(d.control.FD(), func() { d.control.Ready(d.loop.instant.Now) })
	for _, tt := range []struct {
		args   string
		status int
		out    string
	}{
		{"open ssh 192.0.2.7", 0, "ssh: opening\n"},
		{"open only4 2001:db8::7", 0, "only4: has no command for this address\n"},
		{"open sssh 192.0.2.7", 1, "sesame: there is no door \"sssh\"; there are \"ssh\", \"my door\", \"only4\"\n"},
		{"close ssh 192.0.2.7", 0, "1 door shut\n"},
		{"close ssh 192.0.2.7", 0, "no such door is open\n"},
		{"open ssh 192.0.2.7", 0, "ssh: opening\n"},
		{"open ssh 192.0.2.8", 0, "ssh: opening\n"},
		{"status -i eth9", 3, "sesame: look for daemons in " + p.run + ": no sesame daemon is running\n"},
	} {
		if status, out := d.command(t, strings.Fields(tt.args)...); status != tt.status || out != tt.out {
			t.Errorf("%s: status %d, %q; want %d, %q", tt.args, status, out, tt.status, tt.out)
		}
	}
	d.await(t, "ssh 192.0.2.7 open, ssh 192.0.2.8 open")
	want := []string{"sesame " + version + ", process ", "state file " + p.state, "ssh   192.0.2.8", "\n3  doors opened, by knocks and by hand"}
	_, out := d.command(t, "status")
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in:\n%s", text, out)
		}
	}
	if _, out := d.command(t, "status", "--json"); !json.Valid([]byte(out)) {
		t.Error(out)
	}
	if _, out := d.command(t, "status", "--prometheus", "-c", d.config); !strings.Contains(out, `door="ssh",state="open"} 2`) {
		t.Error(out)
	}
	if status, out := d.command(t, "close"); status != 0 || out != "2 doors shut\n" {
		t.Errorf("%d, %q", status, out)
	}
}

// TestCloseWaits has close run while a stop command does, and after one that
// failed.
func TestCloseWaits(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, p := requestDaemon(t, "[slow]\nsequence = 1\nstart_command = true\nstop_command = read x < "+gate+
		"\n[bad]\nsequence = 2\nstart_command = true\nstop_command = false\n")
	d.withSocket(t, "lo")
	asked := 0
	d.control, err = control.Listen(p.run+"/"+instance(d.config, d.iface)+control.Suffix, func(request string) control.Reply {
		if request == "status" {
			if asked++; asked == 3 { // it has looked twice and goes on waiting
				if states := d.states(); states != "bad 192.0.2.7 open, slow 192.0.2.7 closing" {
					t.Error(states)
				}
				f.WriteString("go\n")
			}
		}
		return d.onRequest(request)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.control.Close)
	d.loop.watch(d.control.FD(), func() { d.control.Ready(d.loop.instant.Now) })
	d.answer("open slow 192.0.2.7")
	d.answer("open bad 192.0.2.7")
	d.await(t, "bad 192.0.2.7 open, slow 192.0.2.7 open")
	if status, out := d.command(t, "close", "slow", "::ffff:192.0.2.7"); status != 0 || out != "1 door shut\n" || asked < 3 {
		t.Errorf("%d, %q, asked %d times", status, out, asked)
	}
	d.await(t, "bad 192.0.2.7 open")
	status, out := d.command(t, "close")
	if status != 1 || out != "sesame: bad for 192.0.2.7: the stop command failed, the daemon's log says why\n" {
		t.Errorf("%d, %q", status, out)
	}
}

package exec

import (
	"testing"
	"time"

	"sesame/matcher"
)

func TestLease(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("echo open %IP%/32 '%IP%'", "echo shut %IP%"), alice)
	r.wait("open 192.0.2.7/32 192.0.2.7")
	r.idle()
	r.pass(30*time.Second - 1)
	if r.l.Len() != 1 {
		t.Fatal("the lease ended early")
	}
	if next := r.l.Next(); next > r.now.Add(2*time.Millisecond) {
		t.Errorf("Next is %v away, want the end of the lease", time.Duration(next-r.now))
	}
	r.pass(2 * time.Millisecond)
	r.wait("shut 192.0.2.7")
	r.idle()
	r.want(
		"ssh: running command: echo open 192.0.2.7/32 '192.0.2.7'",
		"open 192.0.2.7/32 192.0.2.7",
		"192.0.2.7: ssh: command timeout",
		"ssh: running command: echo shut 192.0.2.7",
		"shut 192.0.2.7",
	)
	if r.l.Len() != 0 || r.l.Next() != matcher.Never {
		t.Errorf("after the stop: %d leases, next %v", r.l.Len(), r.l.Next())
	}
}

// TestLeaseOfEach checks that leases are by door and address.
func TestLeaseOfEach(t *testing.T) {
	r := newRig(t, DefaultOpen)
	ssh, web := sshDoor("echo open %IP%", "echo shut %IP%"), sshDoor("echo web %IP%", "echo noweb %IP%")
	web.Name = "web"
	for range 2 {
		r.l.Open(r.at(), ssh, alice)
		r.l.Open(r.at(), ssh, bob)
		r.l.Open(r.at(), web, alice)
		r.l.Open(r.at(), ssh, carol)
		r.idle()
	}
	if r.l.Len() != 4 {
		t.Errorf("%d leases, want 4", r.l.Len())
	}
	for _, line := range []string{"open 192.0.2.7", "open 198.51.100.9", "web 192.0.2.7", "open 2001:db8::7"} {
		if n := r.count(line); n != 1 {
			t.Errorf("%q ran %d times, want once", line, n)
		}
	}
	r.pass(31 * time.Second)
	r.idle()
	for _, line := range []string{"shut 192.0.2.7", "shut 198.51.100.9", "noweb 192.0.2.7", "shut 2001:db8::7"} {
		if n := r.count(line); n != 1 {
			t.Errorf("%q ran %d times, want once", line, n)
		}
	}
}

func TestLeaseRenewed(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := sshDoor("echo open", "echo shut")
	for i, want := range []Outcome{Opened, Renewed, Renewed, Renewed, Renewed} {
		if got := r.l.Open(r.at(), d, alice); got != want {
			t.Errorf("knock %d: outcome %d, want %d", i, got, want)
		}
		if i > 0 && r.run() != 0 {
			t.Errorf("knock %d runs a command", i)
		}
		r.idle()
		if until := r.only().Until; until != r.now.Add(30*time.Second) {
			t.Errorf("knock %d: open for %v, want 30 s", i, time.Duration(until-r.now))
		}
		r.pass(29 * time.Second)
	}
	if s := r.l.Stats(); s.Opened != 1 || s.Renewed != 4 {
		t.Errorf("%+v, want 1 opened and 4 renewed", s)
	}
	if n := r.count("open"); n != 1 {
		t.Errorf("start ran %d times", n)
	}
	if n := r.count("192.0.2.7: ssh: already open, lease renewed for 30 s"); n != 4 {
		t.Errorf("%d renewals in the log, want 4", n)
	}
	r.pass(2 * time.Second)
	r.wait("shut")
}

// TestLeaseFromEndOfStart checks that the time runs from the end of the start
// command, and that a knock meanwhile runs nothing.
func TestLeaseFromEndOfStart(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	d := sshDoor("read x < "+gate+"; echo started", "echo shut")
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), d, alice)
	r.pass(time.Hour)
	release(t, gate)
	r.wait("started")
	r.idle()
	r.pass(29 * time.Second)
	if n := r.count("shut"); n != 0 || r.l.Len() != 1 {
		t.Error("the stop command did not wait for the end of the start command")
	}
	r.pass(2 * time.Second)
	r.wait("shut")
}

func TestKnockWhileStopping(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	d := sshDoor("echo open", "read x < "+gate+"; echo shut")
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.pass(31 * time.Second)
	r.l.Open(r.at(), d, alice)
	release(t, gate)
	r.wait("open")
	r.wait("shut")
	r.wait("open")
	if r.l.Len() != 1 {
		t.Errorf("%d leases, want the second one", r.l.Len())
	}
}

func TestWithoutStop(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := sshDoor("echo run", "")
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), d, alice)
	r.idle()
	if n := r.count("run"); n != 2 || r.l.Len() != 0 || r.l.Next() != matcher.Never {
		t.Errorf("ran %d times, %d leases, next %v; want 2 runs and no lease", n, r.l.Len(), r.l.Next())
	}
}

func TestWithoutStart(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("", "echo shut"), alice)
	r.want()
	if r.l.Len() != 0 {
		t.Error("a door without a start command has a lease")
	}
}

func TestFamilies(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := &Door{Name: "smtp", Start: "echo four %IP%", Start6: "echo six %IP%", Stop: "echo stop", Stop6: ""}
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), d, carol)
	r.idle()
	if r.count("four 192.0.2.7") != 1 || r.count("six 2001:db8::7") != 1 {
		t.Errorf("log: %q", r.lines)
	}
	if r.l.Len() != 1 {
		t.Errorf("%d leases, want the IPv4 one alone", r.l.Len())
	}
}

func TestFailures(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("echo trying; exit 3", "kill -9 $$"), alice)
	r.idle()
	r.pass(31 * time.Second)
	r.idle()
	r.want(
		"ssh: running command: echo trying; exit 3",
		"trying",
		"ssh: command returned non-zero status code (3)",
		"192.0.2.7: ssh: command timeout", // stop runs even if start failed
		"ssh: running command: kill -9 $$",
		"ssh: command was ended by signal 9 (killed)",
		"192.0.2.7: ssh: the door may still be open, trying again in 1 s (1 of 10)",
	)
}

// TestFailedStartRunsAgain checks that a knock after a failed start tries again
// and does not only prolong the failure.
func TestFailedStartRunsAgain(t *testing.T) {
	r := newRig(t, DefaultOpen)
	flag := flag(t)
	d := sshDoor("echo try; test -e "+flag, "echo shut")
	r.l.Open(r.at(), d, alice)
	r.idle()
	if v := r.only(); v.State != "open" || v.Until != r.now.Add(30*time.Second) || r.l.Stats().StartFailed != 1 {
		t.Errorf("after a failed start: %+v, %+v; want the lease left to its stop", v, r.l.Stats())
	}
	touch(t, flag)
	for range 3 {
		r.l.Open(r.at(), d, alice)
		r.idle()
	}
	if n := r.count("try"); n != 2 {
		t.Errorf("the start command ran %d times, want again after its failure and then no more", n)
	}
	r.pass(31 * time.Second)
	r.wait("shut")
	r.idle()
	if n := r.count("shut"); n != 1 || r.l.Len() != 0 {
		t.Errorf("shut %d times, %d leases left", n, r.l.Len())
	}
}

// TestTwinsAreTwo checks that doors of one name and stop command both open.
func TestTwinsAreTwo(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("echo one", "echo shut"), alice)
	r.l.Open(r.at(), sshDoor("echo two", "echo shut"), alice)
	r.wait("one")
	r.idle()
	if r.count("two") != 1 || r.l.Len() != 2 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
}

func TestTooManyLeases(t *testing.T) {
	r := newRig(t, 2)
	d := sshDoor("echo open %IP%", "echo shut %IP%")
	for i, src := range []matcher.Addr{alice, bob, carol} {
		if got := r.l.Open(r.at(), d, src); (got == Refused) != (i == 2) {
			t.Errorf("knock %d: outcome %d", i, got)
		}
	}
	if got := r.l.Open(r.at(), d, alice); got == Refused {
		t.Error("a full table refuses to renew")
	}
	r.idle()
	if s := r.l.Stats(); s.Refused != 1 || s.Opened != 2 {
		t.Errorf("%+v, want 1 refused and 2 opened", s)
	}
	if r.l.Len() != 2 || r.count("2001:db8::7: ssh: not opened: 2 doors are open already, the most there can be (max_open)") != 1 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
	r.pass(31 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	r.l.Open(r.at(), d, carol)
	r.wait("open 2001:db8::7")
}

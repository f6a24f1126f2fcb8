package exec

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"sesame/matcher"
)

const (
	hour = matcher.Time(time.Hour)
	wall = int64(1_700_000_000e9) // of a rig's first instant
)

// writeRecords makes a state file of records.
func writeRecords(t *testing.T, path string, records ...record) {
	t.Helper()
	b := []byte(stateHeader)
	for _, r := range records {
		b = appendRecord(b, &r)
	}
	write(t, path, string(b))
}

// TestClocks takes a lease of ten minutes over, of which half was left when the
// file was written, by every clock.
func TestClocks(t *testing.T) {
	const length, left = 10 * time.Minute, 5 * time.Minute
	for _, c := range []struct {
		name string
		boot string        // of the daemon; the lease is of boot1
		now  matcher.Time  // when it starts; the lease ends left after hour
		wall time.Duration // after the file was written
		want time.Duration
	}{
		{"at once", "boot1", hour, 0, left},
		{"later", "boot1", hour + 60e9, time.Minute, left - time.Minute},
		{"overdue", "boot1", hour + 600e9, 10 * time.Minute, 0},
		{"just overdue", "boot1", hour.Add(left), left, 0},
		{"clock set forward", "boot1", hour, 5 * time.Hour, left},
		{"clock set back", "boot1", hour, -5 * time.Hour, left},
		{"overdue, clock set back", "boot1", hour + 600e9, -5 * time.Hour, 0},
		{"a year later", "boot1", 8760 * hour, 0, 0},
		{"reboot", "boot2", 20e9, time.Minute, left - time.Minute},
		{"reboot, overdue", "boot2", 20e9, 6 * time.Minute, 0},
		{"reboot, long overdue", "boot2", 20e9, 8760 * time.Hour, 0},
		{"reboot, clock of 1970", "boot2", 20e9, -time.Duration(wall) + 20*time.Second, length},
		{"reboot, clock set back a little", "boot2", 20e9, -time.Minute, left + time.Minute},
		{"reboot, clock set back", "boot2", 20e9, -6 * time.Minute, length},
		{"no boot", UnknownBoot, hour, time.Minute, left - time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := statePath(t)
			lease := openRecord(3, alice, hour.Add(left))
			lease.wallEnd, lease.length = wall+int64(left), length
			if c.boot == UnknownBoot {
				lease.boot = UnknownBoot
			}
			writeRecords(t, path, lease)
			r := newRig(t, DefaultOpen)
			r.now, r.wall = c.now, wall+int64(c.wall)
			r.settings.StateFile, r.settings.Boot = path, c.boot
			r.restart()
			if c.want > 0 {
				r.idle()
				r.synced()
				r.pass(c.want - 1)
				if r.idle(); r.l.Len() != 1 || r.count("shut 192.0.2.7") != 0 {
					t.Fatalf("shut more than a moment before %v", c.want)
				}
				r.restart() // at the last moment, by what the file says now
				r.pass(2 * time.Millisecond)
			}
			r.wait("shut 192.0.2.7")
			r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
			r.restart()
			r.idle()
			if r.l.Len() != 0 || len(r.lines) != 0 {
				t.Errorf("it is still known: %q", r.lines)
			}
		})
	}
}

// TestTakeOver takes leases over by a daemon that knows nothing of their doors.
func TestTakeOver(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	d := sshDoor("echo open %IP%", "echo 'shut  \"%IP%\"'\n# ü")
	for _, src := range []matcher.Addr{alice, bob, carol} {
		r.l.Open(r.at(), d, src)
		r.idle()
		r.pass(10 * time.Second)
	}
	r.crash()
	r.now, r.wall = r.now.Add(5*time.Second), r.wall+5e9
	r.restart()
	if r.count("3 doors are open from before, 1 of them overdue") != 1 {
		t.Errorf("log %q", r.lines)
	}
	r.wait(`shut  "192.0.2.7"`)
	v, _ := r.l.View(1)
	if v.Door != "ssh" || v.Src != bob || v.State != "open" || v.Until/1e6 != (r.now+5e9)/1e6 || v.Opened/1e6 != (wall+10e9)/1e6 {
		t.Errorf("a lease taken over is seen as %+v", v)
	}
	// Knocks renew, and run nothing.
	for _, src := range []matcher.Addr{bob, carol} {
		if got := r.l.Open(r.at(), d, src); got != Renewed {
			t.Errorf("a knock is %d, want a renewal", got)
		}
	}
	r.pass(29 * time.Second)
	r.idle()
	if n := r.count("ssh: running command: " + Expand(d.Start, bob)); r.l.Len() != 2 || n != 0 {
		t.Errorf("%d leases, %d start commands; log %q", r.l.Len(), n, r.lines)
	}
	r.pass(2 * time.Second)
	r.turns("every door to shut", func() bool { return r.l.Len() == 0 })
	if r.count(`shut  "198.51.100.9"`) != 1 || r.count(`shut  "2001:db8::7"`) != 1 {
		t.Errorf("log %q", r.lines)
	}
}

// TestForget drops what a reboot has shut anyway, as the user says.
func TestForget(t *testing.T) {
	path := statePath(t)
	older := openRecord(1, alice, 1e9)
	older.boot = "boot0"
	other := openRecord(9, carol, 3*hour)
	other.boot = UnknownBoot
	writeRecords(t, path, older, openRecord(5, bob, 60e9), other)
	r := newRig(t, DefaultOpen)
	r.settings.StateFile, r.settings.Forget = path, true
	r.restart()
	if left := r.l.Left(); !slices.Equal(left, []string{"echo shut 198.51.100.9"}) || r.count("2 doors were open before the machine was started anew, forgotten (after_reboot = forget)") != 1 {
		t.Errorf("left %q, log %q", left, r.lines)
	}
	r.settings.Forget = false
	r.restart()
	if left := r.l.Left(); len(left) != 1 {
		t.Errorf("at the next start: %q", left)
	}
	r.begun(sshDoor("true", "true"), alice)
	if told := replayed(t, path); told.last != 10 {
		t.Errorf("the next lease has the number %d, want one that no other had", told.last)
	}
}

// TestMoreThanMaxOpen keeps every lease although fewer may be open now.
func TestMoreThanMaxOpen(t *testing.T) {
	r := newStateRig(t, 8, statePath(t))
	d := sshDoor("true", "echo shut %IP%")
	for i := range 5 {
		r.l.Open(r.at(), d, source(i))
		r.idle()
	}
	r.settings.MaxOpen = 2
	r.restart()
	for open := 5; open >= 2; open-- {
		if got := r.l.Open(r.at(), d, alice); got != Refused || r.l.Len() != open {
			t.Errorf("with %d doors open of 2 a knock is %d, %d leases", open, got, r.l.Len())
		}
		r.l.Shut(r.at(), "", source(open-1))
		r.wait("shut " + source(open-1).String())
		r.idle()
	}
	if got := r.l.Open(r.at(), d, alice); got != Opened {
		t.Errorf("with one door open of 2 a knock is %d", got)
	}
}

// TestRebootTwice checks that a lease of an earlier boot runs on this one's
// clock once it was taken over, also for the daemon after.
func TestRebootTwice(t *testing.T) {
	path := statePath(t)
	lease := openRecord(3, alice, hour)
	writeRecords(t, path, lease)
	r := newRig(t, DefaultOpen)
	r.settings.StateFile, r.settings.Boot = path, "boot2"
	r.now, r.wall = 20e9, 0 // 1970: the whole length
	r.restart()
	r.synced()
	r.pass(20 * time.Second)
	r.wall = wall + 5e9 // the clock was set, to before the end that it had
	r.restart()
	r.settings.Forget = true
	r.restart()
	if r.l.Len() != 1 {
		t.Error("a lease taken over is forgotten like one of another boot")
	}
	r.pass(9 * time.Second)
	if r.idle(); r.l.Len() != 1 {
		t.Error("shut early")
	}
	r.pass(2 * time.Second)
	r.wait("shut 192.0.2.7")
}

// TestStuckOverReboots has a stop command fail for longer than any clock goes
// back: the lease stays in the file, which is written anew meanwhile.
func TestStuckOverReboots(t *testing.T) {
	path := statePath(t)
	lease := openRecord(3, alice, hour)
	lease.door.Stop = "exit 1"
	writeRecords(t, path, lease)
	r := newRig(t, DefaultOpen)
	r.settings.StateFile = path
	for boot := range 3 {
		r.settings.Boot = "other" + strconv.Itoa(boot)
		r.wall += 8760 * int64(time.Hour)
		r.now = 20e9
		r.restart()
		r.idle()
		r.synced()
		if told := replayed(t, path); r.l.Len() != 1 || told.live != 1 || told.sorted()[0].boot != r.settings.Boot {
			t.Fatalf("boot %d: %d leases, %d in the file", boot, r.l.Len(), told.live)
		}
	}
}

// TestTwiceInFile has a lease in the file whose end could not be recorded, and
// the one that came after it.
func TestTwiceInFile(t *testing.T) {
	path := statePath(t)
	writeRecords(t, path, openRecord(1, alice, 10e9), openRecord(2, bob, 30e9), openRecord(3, alice, 30e9))
	r := newRig(t, DefaultOpen)
	r.settings.StateFile, r.now = path, 20e9
	r.restart()
	r.idle()
	if r.l.Len() != 2 || r.count("2 doors are open from before, 0 of them overdue") != 1 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
	if told := replayed(t, path); told.live != 2 || told.sorted()[1].id != 3 {
		t.Errorf("the file has %d leases", told.live)
	}
	r.pass(11 * time.Second)
	r.turns("both doors to shut", func() bool { return r.l.Len() == 0 })
	if n := r.count("shut 192.0.2.7"); n != 1 {
		t.Errorf("shut %d times", n)
	}
	if told := replayed(t, path); told.live != 0 {
		t.Errorf("the file has %d leases after the end", told.live)
	}
}

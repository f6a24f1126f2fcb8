package exec

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// TestSecondStartNotRecorded fills the disk before a start command runs again:
// the door may be open, or half of it, so the lease is shut and not forgotten.
func TestSecondStartNotRecorded(t *testing.T) {
	for _, c := range []struct {
		name, start, stop string
		then              time.Duration
		want              Outcome
	}{
		{"after a failed start", "echo open; false", "echo shut; test -e ", 0, Refused},
		{"after a failed stop", "echo open", "echo shut; test -e ", 31 * time.Second, Queued},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, DefaultOpen)
			r.settings.StateFile = filepath.Join(t.TempDir(), "leases")
			r.crash()
			r.start()
			file := flag(t)
			d := sshDoor(c.start, c.stop+file)
			r.l.Open(r.at(), d, alice)
			r.idle()
			r.pass(c.then)
			r.idle()
			fillDisk(t, r.l.journal)
			if got := r.l.Open(r.at(), d, alice); got != c.want {
				t.Errorf("outcome %d, want %d", got, c.want)
			}
			r.idle()
			if v := r.only(); v.State != "retrying" || v.Until == matcher.Never || r.l.Stats().Refused != 1 || r.count("open") != 1 {
				t.Fatalf("%+v, log %q", v, r.lines)
			}
			touch(t, file)
			r.pass(time.Second + late)
			r.idle()
			if r.l.Len() != 0 {
				t.Errorf("%d leases left, log %q", r.l.Len(), r.lines)
			}
		})
	}
}

// fillDisk makes every write to the state file fail.
func fillDisk(t *testing.T, j *journal) {
	t.Helper()
	full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	if err := unix.Dup3(full, j.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// TestLengthChangedWhileAdopted knocks, after the door was given another lease,
// while the start command of an earlier daemon runs: it must still be known.
func TestLengthChangedWhileAdopted(t *testing.T) {
	r := newRig(t, DefaultOpen)
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		t.Fatal(err)
	}
	r.now = matcher.Time(boot.Nano())
	r.settings.StateFile = filepath.Join(t.TempDir(), "leases")
	r.crash()
	r.start()
	gate := fifo(t)
	d := sshDoor("read x < "+gate, "echo shut")
	r.l.Open(r.at(), d, alice)
	r.turns("the disk", func() bool { return !r.l.journal.busy })
	var pid int
	for pid = range r.l.runner.byPID {
	}
	r.l.Close()
	r.start()
	if r.l.leases[0].state != adopted {
		t.Fatalf("%+v, want the start command adopted", r.only())
	}
	d.Lease = time.Hour
	if got := r.l.Open(r.at(), d, alice); got != Queued {
		t.Errorf("outcome %d", got)
	}
	r.pass(adoptedPause + late)
	if v := r.only(); v.State != "opening" {
		t.Fatalf("%+v, but the start command runs", v)
	}
	release(t, gate)
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	r.pass(adoptedPause + late)
	if v := r.only(); v.State != "open" || v.Until != r.now.Add(time.Hour) {
		t.Errorf("%+v, want it open for an hour", v)
	}
}

package exec

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"sesame/matcher"
)

const again = "192.0.2.7: ssh: the door may still be open, trying again in "

// late is by how much the wheel may be late.
const late = 2 * time.Millisecond

// TestStopRetried lets a stop command fail until the daemon gives up.
func TestStopRetried(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Open(r.at(), sshDoor("true", "echo shut; false"), alice)
	r.idle()
	r.pass(30*time.Second + late)
	for i, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60} {
		pause *= time.Second
		if v := r.only(); v.State != "closing" || v.Until != matcher.Never {
			t.Fatalf("while the stop command runs: %+v", v)
		}
		r.idle()
		if n := r.count("shut"); n != i+1 {
			t.Fatalf("the stop command ran %d times, want %d", n, i+1)
		}
		if v := r.only(); v.State != "retrying" || v.Until != r.now.Add(pause) || v.Tries != i+1 {
			t.Fatalf("after %d failures: %+v, want it tried again in %v", i+1, v, pause)
		}
		if n := r.count(again + seconds(pause) + " (" + strconv.Itoa(i+1) + " of 10)"); n != 1 {
			t.Errorf("the pause of %v after failure %d is logged %d times", pause, i+1, n)
		}
		if r.l.Settled() {
			t.Fatal("settled while the stop command is to be tried again")
		}
		r.pass(pause - 1)
		if r.run() != 0 {
			t.Fatalf("tried again before %v", pause)
		}
		r.pass(1 + late)
	}
	r.idle()
	if v := r.only(); v.State != "stuck" || v.Until != matcher.Never || v.Tries != 11 {
		t.Errorf("at the end: %+v, want it stuck after 11 failures", v)
	}
	if n := r.count("192.0.2.7: ssh: stuck: the stop command failed 11 times, the door may be open; run it by hand, or sesame close"); n != 1 {
		t.Errorf("stuck is logged %d times", n)
	}
	if !r.l.Settled() || r.l.Next() != matcher.Never || r.l.Stats().StopFailed != 11 {
		t.Errorf("settled %v, next %v, %+v", r.l.Settled(), r.l.Next(), r.l.Stats())
	}
	r.pass(1000 * time.Hour)
	if r.run() != 0 {
		t.Error("tried again after it was given up")
	}
}

// failing opens a door whose stop command fails, and lets it fail so often.
// The stop command succeeds as soon as the file exists.
func failing(r *rig, retries, failures int) (d *Door, file string) {
	r.t.Helper()
	file = flag(r.t)
	r.l.StopRetries = retries
	d = sshDoor("echo open", "echo shut; test -e "+file)
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.pass(31 * time.Second)
	r.idle()
	for range failures - 1 {
		r.pass(61 * time.Second)
		r.idle()
	}
	want := "retrying"
	if failures > retries {
		want = "stuck"
	}
	if v := r.only(); v.State != want || v.Tries != failures {
		r.t.Fatalf("%+v, want it %s after %d failures", v, want, failures)
	}
	return d, file
}

func TestStopSucceedsAtLast(t *testing.T) {
	r := newRig(t, DefaultOpen)
	_, file := failing(r, 10, 3)
	touch(t, file)
	r.pass(4*time.Second + late)
	r.idle()
	if r.count("shut") != 4 || r.l.Len() != 0 || r.l.Next() != matcher.Never || !r.l.Settled() {
		t.Errorf("%d leases, next %v, log %q", r.l.Len(), r.l.Next(), r.lines)
	}
}

// TestShutByHand checks that a lease that is retrying or stuck is tried at once
// and as often as before.
func TestShutByHand(t *testing.T) {
	for _, failures := range []int{1, 2, 3} {
		r := newRig(t, DefaultOpen)
		_, file := failing(r, 2, failures)
		for round := range 2 {
			if n := r.l.Shut(r.at(), "ssh", alice); n != 1 {
				t.Fatalf("%d doors to shut", n)
			}
			if v := r.only(); v.State != "closing" || v.Tries != 0 || r.l.Settled() {
				t.Fatalf("shut by hand: %+v, settled %v", v, r.l.Settled())
			}
			r.idle()
			for i := range 2 {
				if v := r.only(); v.State != "retrying" || v.Tries != i+1 || v.Until != r.now.Add(time.Second<<i) {
					t.Fatalf("round %d, failure %d: %+v", round, i+1, v)
				}
				r.pass(time.Second<<i + late)
				r.idle()
			}
			if v := r.only(); v.State != "stuck" || !r.l.Settled() {
				t.Fatalf("round %d: %+v, settled %v", round, v, r.l.Settled())
			}
		}
		touch(t, file)
		r.l.Shut(r.at(), "", matcher.Addr{})
		r.idle()
		if r.l.Len() != 0 || !r.l.Settled() || r.l.stuck != 0 {
			t.Errorf("%d leases, %d stuck, settled %v", r.l.Len(), r.l.stuck, r.l.Settled())
		}
	}
}

// TestKnockOnFailing checks that a knock on a lease whose stop command fails
// runs it once more and then opens the door, whatever the stop command does.
func TestKnockOnFailing(t *testing.T) {
	for _, failures := range []int{1, 2, 3} {
		for _, succeeds := range []bool{false, true} {
			t.Run(fmt.Sprint(failures, succeeds), func(t *testing.T) {
				r := newRig(t, DefaultOpen)
				d, file := failing(r, 2, failures)
				if succeeds {
					touch(t, file)
				}
				r.lines = nil
				d.Lease = time.Minute
				for range 2 {
					if got := r.l.Open(r.at(), d, alice); got != Queued {
						t.Errorf("outcome %d", got)
					}
				}
				r.idle()
				lines := []string{
					"ssh: running command: " + d.Stop, "shut", "ssh: command returned non-zero status code (1)",
					"ssh: running command: " + d.Start, "open",
				}
				if succeeds {
					lines = append(lines[:2], lines[3:]...)
				}
				r.want(lines...)
				if v := r.only(); v.State != "open" || v.Tries != 0 || v.Until != r.now.Add(time.Minute) || r.l.stuck != 0 {
					t.Errorf("%+v, %d stuck", v, r.l.stuck)
				}
				if got := r.l.Open(r.at(), d, alice); got != Renewed {
					t.Errorf("outcome %d of a knock on the open door", got)
				}
				// It ends as any other, and what has failed before is forgotten.
				os.Remove(file)
				r.pass(time.Minute + late)
				r.idle()
				if v := r.only(); v.State != "retrying" || v.Tries != 1 {
					t.Errorf("%+v", v)
				}
			})
		}
	}
}

// TestKnockThenShut checks that the last wish counts while a stop command runs.
func TestKnockThenShut(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d, _ := failing(r, 10, 1)
	r.l.Open(r.at(), d, alice)
	r.l.Shut(r.at(), "", alice)
	r.idle()
	if v := r.only(); v.State != "retrying" || r.count("open") != 1 {
		t.Errorf("%+v, log %q", v, r.lines)
	}
}

func TestNoRetries(t *testing.T) {
	r := newRig(t, DefaultOpen)
	_, file := failing(r, 0, 1)
	if !r.l.Settled() || r.l.Next() != matcher.Never {
		t.Errorf("settled %v, next %v", r.l.Settled(), r.l.Next())
	}
	touch(t, file)
	r.l.CloseAll(r.at())
	r.idle()
	if r.l.Len() != 0 {
		t.Errorf("%d leases after all were closed", r.l.Len())
	}
}

// TestFewerRetries takes retries away from a lease that has used more.
func TestFewerRetries(t *testing.T) {
	r := newRig(t, DefaultOpen)
	failing(r, 10, 3)
	limits := r.l.Limits
	limits.StopRetries = 1
	r.l.SetLimits(r.at(), limits)
	r.pass(time.Minute)
	r.idle()
	if v := r.only(); v.State != "stuck" {
		t.Errorf("%+v", v)
	}
}

// TestCloseAllTriesAgain checks that leases which are retrying or stuck are
// tried anew, with all retries, when every door is to be shut.
func TestCloseAllTriesAgain(t *testing.T) {
	for _, failures := range []int{1, 3} {
		r := newRig(t, DefaultOpen)
		d, file := failing(r, 2, failures)
		r.l.CloseAll(r.at())
		if r.l.Settled() {
			t.Error("settled while the stop command runs")
		}
		if got := r.l.Open(r.at(), d, alice); got != Nothing {
			t.Errorf("outcome %d of a knock while all are closed", got)
		}
		r.idle()
		r.pass(time.Second + late)
		r.idle()
		if v := r.only(); v.State != "retrying" || v.Tries != 2 {
			t.Fatalf("%+v", v)
		}
		touch(t, file)
		r.pass(2*time.Second + late)
		r.idle()
		if r.l.Len() != 0 || !r.l.Settled() || r.count("open") != 1 {
			t.Errorf("%d leases, settled %v, log %q", r.l.Len(), r.l.Settled(), r.lines)
		}
	}
}

// TestFailedStartDropped has a lease wait for its second start command, after
// the stop command failed, when every door is to be shut.
func TestFailedStartDropped(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d, file := failing(r, 0, 1)
	gate := fifo(t)
	r.l.AtOnce = 1
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), &Door{Name: "game", Start: "echo play; read x < " + gate}, bob)
	r.wait("play") // in the place of the stop command, which came before it
	if v := r.only(); v.State != "opening" {
		t.Fatalf("%+v, want it to wait for its start command", v)
	}
	touch(t, file)
	r.l.CloseAll(r.at())
	if v := r.only(); v.State != "closing" {
		t.Fatalf("%+v", v)
	}
	release(t, gate)
	r.turns("the door to shut", func() bool { return r.l.Len() == 0 })
	if r.count("open") != 1 || r.count("shut") != 3 || !r.l.Settled() {
		t.Errorf("settled %v, log %q", r.l.Settled(), r.lines)
	}
}

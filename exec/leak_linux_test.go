package exec

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNothingLeaks opens and shuts many doors: no descriptor, goroutine, process
// or entry is left, and no goroutine or process waits for a lease to end.
func TestNothingLeaks(t *testing.T) {
	const doors = 10_000
	r := newRig(t, doors)
	d := sshDoor("true", "true")
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	check := func(leases int) {
		t.Helper()
		if n := r.l.Len(); n != leases {
			t.Fatalf("%d leases, want %d", n, leases)
		}
		if n := openFiles(t); n != fds {
			t.Errorf("%d descriptors more than before", n-fds)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Errorf("a child is left: %v", err)
		}
		x := r.l.runner
		if n := len(x.byPID) + len(x.byPipe) + len(x.byLine) + len(x.waiting) + x.loose + x.running[start] + x.running[stop]; n != 0 {
			t.Errorf("%d entries are left in the runner", n)
		}
	}
	for i := range doors {
		r.l.Open(r.at(), d, source(i))
	}
	const part = doors / 10 // a wait has an end, which a busy machine may need
	for done := part; done <= doors; done += part {
		r.turns("doors to open", func() bool { return r.l.Stats().Opened >= uint64(done) })
	}
	r.idle()
	check(doors)
	r.pass(31 * time.Second)
	for left := doors - part; left >= 0; left -= part {
		r.turns("doors to shut", func() bool { return r.l.Len() <= left })
	}
	check(0)
	if n := len(r.l.doors) + len(r.l.byKey); n != 0 || len(r.l.unused) != len(r.l.leases) || r.l.Next() != r.l.runner.next {
		t.Errorf("%d entries, %d of %d leases are free, next %v", n, len(r.l.unused), len(r.l.leases), r.l.Next())
	}
	if s := r.l.Stats(); s != (Stats{Opened: doors}) {
		t.Errorf("%+v", s)
	}
	for i := range r.l.leases {
		if r.l.leases[i] != (lease{}) {
			t.Fatalf("lease %d is left: %+v", i, r.l.leases[i])
		}
	}
}

// TestOpenDoorsCostLittle has 500 doors open: no process waits for any of them,
// and together they take less than a megabyte.
func TestOpenDoorsCostLittle(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.Log = func(string) {} // what the rig keeps of the log is no part of it
	fds, before := openFiles(t), heap()
	d := sshDoor("true", "true")
	for i := range 500 {
		r.l.Open(r.at(), d, source(i))
	}
	r.idle()
	if n := r.l.Len(); n != 500 {
		t.Fatalf("%d leases", n)
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a process waits: %v", err)
	}
	if n := openFiles(t); n != fds {
		t.Errorf("%d descriptors more than before", n-fds)
	}
	if n := heap() - before; n > 1<<20 {
		t.Errorf("they take %d bytes", n)
	} else {
		t.Logf("500 doors take %d bytes", n)
	}
	runtime.KeepAlive(r.l)
}

// heap returns how many bytes of the heap are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

package main

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

func testLoop(t *testing.T) *loop {
	t.Helper()
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(l.epoll); unix.Close(l.timer) })
	return l
}

// TestLoopDeadline checks that a wait ends at its deadline, not before, and
// that a nearer deadline wins over one armed before.
func TestLoopDeadline(t *testing.T) {
	l := testLoop(t)
	far := l.instant.Now.Add(time.Hour)
	for range 3 {
		next := l.instant.Now.Add(5 * time.Millisecond)
		for l.instant.Now < next {
			if err := l.wait(min(next, far)); err != nil {
				t.Fatal(err)
			}
			l.dispatch()
		}
	}
	if l.instant.Now > far {
		t.Error("the nearer deadline was forgotten")
	}
}

// TestLoopRearms checks that a nearer deadline replaces one that is armed, and
// that one farther away leaves it.
func TestLoopRearms(t *testing.T) {
	l := testLoop(t)
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	l.watch(pipe[0], func() {})
	unix.Write(pipe[1], []byte{1}) // no wait lasts
	for _, tt := range []struct{ next, armed time.Duration }{
		{3 * time.Hour, 3 * time.Hour}, {time.Hour, time.Hour}, {2 * time.Hour, time.Hour},
	} {
		start := l.instant.Now
		if err := l.wait(start.Add(tt.next)); err != nil {
			t.Fatal(err)
		}
		var left unix.ItimerSpec
		if err := unix.TimerfdGettime(l.timer, &left); err != nil {
			t.Fatal(err)
		}
		if d := time.Duration(left.Value.Nano()); d > tt.armed || d < tt.armed-time.Minute {
			t.Errorf("a wait for %v sleeps for %v more", tt.next, d)
		}
	}
}

func TestLoopWatch(t *testing.T) {
	l := testLoop(t)
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	calls := 0
	l.watch(pipe[0], func() {
		calls++
		var b [1]byte
		unix.Read(pipe[0], b[:])
		l.forget(pipe[0])
	})
	for range 2 {
		unix.Write(pipe[1], []byte{1})
		if err := l.wait(l.instant.Now.Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		l.dispatch()
	}
	if calls != 1 {
		t.Errorf("%d calls, want 1: forgotten in the first", calls)
	}
	l.watch(-1, func() {})
	if err := l.wait(matcher.Never); err == nil {
		t.Error("a descriptor that cannot be watched went unnoticed")
	}
}

func TestSignals(t *testing.T) {
	s, err := newSignals()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGCHLD} {
		if err := unix.Kill(unix.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, 10_000); n != 1 || err != nil {
			t.Fatalf("%v: poll %d, %v", sig, n, err)
		}
		if got := s.take(); len(got) != 1 || got[0] != sig {
			t.Errorf("took %v, want %v", got, sig)
		}
	}
	if got := s.take(); len(got) != 0 {
		t.Errorf("took %v, which nobody sent", got)
	}
}

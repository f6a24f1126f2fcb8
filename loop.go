package main

import (
	"os"
	"os/signal"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sesame/exec"
	"sesame/matcher"
)

// loop waits for descriptors and one deadline. Without either it sleeps.
type loop struct {
	epoll    int
	timer    int // timerfd on the clock of now
	armed    matcher.Time
	instant  exec.Instant // when the last wait ended
	handlers map[int32]func()
	ready    []unix.EpollEvent
	failed   error // of a watch, for wait to return
}

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// CLOCK_BOOTTIME counts suspend: a lease that ends while the machine
	// sleeps ends when it wakes.
	timer, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	l := &loop{epoll: epoll, timer: timer, armed: matcher.Never, handlers: map[int32]func(){}}
	l.instant, err = clock()
	if err != nil {
		return nil, err
	}
	l.watch(timer, func() {
		var expirations [8]byte
		unix.Read(timer, expirations[:]) // the count does not matter, the clock decides
		l.armed = matcher.Never
	})
	return l, nil
}

func clock() (exec.Instant, error) {
	var boot, wall unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)
	if err == nil {
		err = unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	}
	return exec.Instant{Now: matcher.Time(boot.Nano()), Wall: wall.Nano()}, os.NewSyscallError("clock_gettime", err)
}

// watch calls f in dispatch whenever fd can be read. If it cannot be watched,
// the next wait says so.
func (l *loop) watch(fd int, f func()) {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		l.failed = os.NewSyscallError("epoll_ctl", err)
	}
	l.handlers[int32(fd)] = f
	l.ready = append(l.ready, unix.EpollEvent{})
}

// forget stops the watching of fd, before it is closed.
func (l *loop) forget(fd int) {
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	delete(l.handlers, int32(fd))
}

// wait sleeps until a descriptor is ready or the instant has come. It may
// return earlier.
func (l *loop) wait(next matcher.Time) error {
	if err := l.failed; err != nil {
		return err
	}
	if next < l.armed {
		// A deadline that moved away costs one wake-up, not a call each time.
		at := unix.NsecToTimespec(max(int64(next), 1)) // 0 would disarm
		if err := unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: at}, nil); err != nil {
			return os.NewSyscallError("timerfd_settime", err)
		}
		l.armed = next
	}
	l.ready = l.ready[:cap(l.ready)]
	n, err := unix.EpollWait(l.epoll, l.ready, -1)
	if err != nil && err != unix.EINTR {
		return os.NewSyscallError("epoll_wait", err)
	}
	l.ready = l.ready[:max(n, 0)]
	l.instant, err = clock()
	return err
}

// nap sleeps for a time of milliseconds at most, and renews the instant. The Go
// runtime does not learn of it: for a wait that it knows of, its monitor wakes up
// every 20 µs, which costs more than the work in between.
func (l *loop) nap(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // a signal may end it
	if instant, err := clock(); err == nil {
		l.instant = instant
	}
}

// dispatch calls the handlers of the descriptors that were ready.
func (l *loop) dispatch() {
	for _, ev := range l.ready {
		if f := l.handlers[ev.Fd]; f != nil { // not forgotten by a handler before
			f()
		}
	}
}

// signals turns signals into a descriptor for the loop.
type signals struct {
	fd int
}

// newSignals takes the signals that knockd takes. A signal is one byte in a
// pipe, written by a goroutine: that is all it does.
func newSignals() (*signals, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	unix.SetNonblock(pipe[0], true)
	// SIGCHLD has a channel of its own, so that a crowd of children does not
	// push out a SIGTERM.
	children, others := make(chan os.Signal, 1), make(chan os.Signal, 8)
	signal.Notify(children, unix.SIGCHLD)
	signal.Notify(others, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	// Taken and never looked at: a closed stderr is an error of write, not the
	// end. To ignore it instead would hand that down to every command.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	go func() {
		for {
			var s os.Signal
			select {
			case s = <-children:
			case s = <-others:
			}
			unix.Write(pipe[1], []byte{byte(s.(unix.Signal))})
		}
	}()
	return &signals{fd: pipe[0]}, nil
}

// take returns the signals that came; of SIGCHLDs in a row the first.
func (s *signals) take() (taken []unix.Signal) {
	var b [64]byte
	n, _ := unix.Read(s.fd, b[:])
	for _, number := range b[:max(n, 0)] {
		sig := unix.Signal(number)
		if sig == unix.SIGCHLD && len(taken) > 0 && taken[len(taken)-1] == sig {
			continue
		}
		taken = append(taken, sig)
	}
	return taken
}

package diff_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"sesame/e2e/netns"
)

// step is one thing that a scenario does.
type step func(*lab)

// send sends packets, one after the other.
func send(lists ...[][]byte) step {
	return func(l *lab) {
		l.t.Helper()
		for _, list := range lists {
			l.wire.send(l.t, list...)
		}
	}
}

// fromGateway sends UDP packets from the gateway itself.
func fromGateway(to string, ports ...int) step {
	return func(l *lab) {
		l.t.Helper()
		for _, port := range ports {
			if err := inside(l.home, func() error {
				conn, err := net.Dial("udp", fmt.Sprint(to, ":", port))
				if err != nil {
					return err
				}
				defer conn.Close()
				_, err = conn.Write([]byte("x"))
				return err
			}); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}

// wait waits until both logs hold a line n times.
func wait(line string, n int) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.up() {
			l.until(s, line, func() bool { return strings.Count(s.log(), "] "+line+"\n") >= n })
		}
	}
}

// wrote waits until the commands of both have written a line n times.
func wrote(line string, n int) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.up() {
			l.until(s, line, func() bool { return strings.Count(s.read("out"), line+"\n") >= n })
		}
	}
}

// settle waits until both have dealt with everything so far.
func settle(l *lab) { l.t.Helper(); l.settle() }

// pause is for scenarios that are about time.
func pause(d time.Duration) step { return func(*lab) { time.Sleep(d) } }

// fraction waits until a second of the clock is as old as given: knockd counts
// whole seconds.
func fraction(d time.Duration) step {
	return func(*lab) {
		for {
			now := time.Now()
			age := now.Sub(now.Truncate(time.Second))
			if age >= d && age < d+50*time.Millisecond {
				return
			}
			time.Sleep((d - age + time.Second) % time.Second)
		}
	}
}

// run runs a command on the gateway.
func run(name string, args ...string) step {
	return func(l *lab) {
		l.t.Helper()
		if err := l.gw.Run(name, args...); err != nil {
			l.t.Fatal(err)
		}
	}
}

// file writes a file of both sides.
func file(name, text string) step { return func(l *lab) { l.t.Helper(); l.write(name, text) } }

// move renames a file of both sides.
func move(from, to string) step {
	return both(func(s *side) error { return os.Rename(s.file(from), s.file(to)) })
}

// remove removes a file of both sides.
func remove(name string) step { return both(func(s *side) error { return os.Remove(s.file(name)) }) }

// both does something to both sides.
func both(do func(*side) error) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.sides {
			if err := do(s); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}

// onSesame does a step that knockd would not get through.
func onSesame(do step) step {
	return func(l *lab) {
		l.t.Helper()
		l.sides[knockd].down = true
		do(l)
		l.sides[knockd].down = false
	}
}

// note notes what a function finds on each side.
func note(find func(*lab, *side) string) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.sides {
			s.note(find(l, s))
		}
	}
}

// shows notes the content of a file.
func shows(name string) step {
	return note(func(_ *lab, s *side) string { return name + ": " + strings.TrimSuffix(s.read(name), "\n") })
}

// reload writes other doors and has them read.
func reload(doors string) step {
	return func(l *lab) {
		l.t.Helper()
		l.configure(logTo, doors)
		hup(l)
	}
}

// hangUp sends SIGHUP alone.
func hangUp(l *lab) {
	l.t.Helper()
	l.settle()
	l.idle()
	signal(syscall.SIGHUP)(l)
}

// hup sends SIGHUP and waits until both listen again.
func hup(l *lab) {
	l.t.Helper()
	before := make(map[*side]int)
	for _, s := range l.sides {
		before[s] = strings.Count(s.log(), "] "+reread+"\n")
	}
	hangUp(l)
	for _, s := range l.sides {
		l.until(s, "the reload", func() bool { return strings.Count(s.log(), "] "+reread+"\n") > before[s] })
	}
	l.awake()
}

// awake waits until both hear packets again: what comes in while libpcap
// changes its filter is lost.
func (l *lab) awake() {
	l.t.Helper()
	for end := time.Now().Add(netns.Deadline); time.Now().Before(end); {
		src := l.sendSentinel()
		for try := time.Now().Add(200 * time.Millisecond); time.Now().Before(try); time.Sleep(5 * time.Millisecond) {
			if l.sides[knockd].passed(src) && l.sides[sesame].passed(src) {
				return
			}
		}
	}
	for _, s := range l.sides {
		l.t.Logf("%s: has ended: %v; log:\n%s", s.name, s.proc.Exited(), s.log())
	}
	l.t.Fatal("after the reload a daemon hears nothing")
}

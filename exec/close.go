package exec

import (
	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// View is what can be seen of a lease.
type View struct {
	Door   string
	Src    matcher.Addr
	State  string
	Opened int64        // on the wall clock, ns
	Until  matcher.Time // when the stop command is due, or due again; Never: not known
	Tries  int          // of the stop command that have failed
}

var stateNames = [...]string{
	starting: "opening", adopted: "opening", open: "open", stopping: "closing", retrying: "retrying", stuck: "stuck",
}

// View returns a lease from index at on, and the index from which the next is
// to be looked for; -1: there is none.
func (l *Leases) View(at int) (v View, next int) {
	for ; at < len(l.leases); at++ {
		le := &l.leases[at]
		if le.state == free {
			continue
		}
		v = View{Door: le.door.Name, Src: le.src, State: stateNames[le.state], Opened: le.opened, Until: matcher.Never, Tries: le.tries}
		if le.state == open || le.state == retrying {
			v.Until, _ = l.wheel.Deadline(at)
		}
		return v, at + 1
	}
	return v, -1
}

// Shut begins to shut the doors of a name that are open for an address, those
// that are stuck included; "" stands for any name, the zero address for any.
// It returns how many.
func (l *Leases) Shut(at Instant, door string, src matcher.Addr) (n int) {
	l.at = at
	for i := range l.leases {
		le := &l.leases[i]
		if le.state == free || door != "" && door != le.door.Name || src != (matcher.Addr{}) && src != le.src {
			continue
		}
		n++
		le.again = false
		l.closeNow(int32(i))
	}
	return n
}

func (l *Leases) closeNow(i int32) {
	le := &l.leases[i]
	switch le.state {
	case starting, adopted:
		le.closing = true
	case open, retrying, stuck:
		le.tries = 0
		l.log(le.src, le.door.Name, "closing")
		l.shut(i)
	}
}

// CloseAll begins to shut every open door and opens none any more: start
// commands that wait for their turn are dropped. Settled says when it is done.
func (l *Leases) CloseAll(at Instant) {
	l.at, l.ending = at, true
	l.runner.dropStarts(func(c command) {
		if c.lease >= 0 {
			l.drop(c.lease)
		}
	})
	l.runner.runWaiting() // stop commands have every place now
	for i := range l.leases {
		l.closeNow(int32(i))
	}
}

// drop ends a lease whose start command did not get its turn. It may be the
// second one, of a lease that could not be shut.
func (l *Leases) drop(i int32) {
	if le := &l.leases[i]; le.id != 0 {
		le.state = open
		return
	}
	l.forget(i)
}

// Settled reports whether no lease will change any more by itself: each is shut
// or stuck.
func (l *Leases) Settled() bool { return len(l.byKey) == l.stuck }

// Idle reports whether no command runs.
func (l *Leases) Idle() bool { return len(l.runner.byPID) == 0 }

// Interrupt sends a signal to the start commands of leases that still run, with
// all their children, so that their doors can be shut after CloseAll.
func (l *Leases) Interrupt(sig unix.Signal) {
	for i := range l.leases {
		if l.leases[i].state == adopted {
			unix.Kill(-l.leases[i].pid, sig)
		}
	}
	l.runner.interrupt(sig)
}

// Left returns the stop commands of all leases, for a report.
func (l *Leases) Left() (commands []string) {
	for i := range l.leases {
		if le := &l.leases[i]; le.state != free {
			commands = append(commands, Expand(le.door.Stop, le.src))
		}
	}
	return commands
}

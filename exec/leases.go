// Package exec runs the commands of doors: the start command when a door is
// opened for an address, the stop command when its lease ends.
//
// A lease is the right of one address to one open door. There is one for each
// pair: knocking again while the door is open renews it and runs nothing. Its
// time begins when the start command has ended, as knockd's does, so start and
// stop of one lease never overlap; commands of different leases do not wait
// for each other, up to a number that run at once. No goroutine and no process
// waits for a lease to end: it is an entry in a table and a timer in a wheel.
package exec

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// DefaultLeases is how many doors can be open at once.
const DefaultLeases = 4096

// retryPause is how long to wait when a stop command could not be started at
// all (no process, no memory).
const retryPause = time.Second

// Door is what a door's opening runs. An empty command runs nothing; without a
// start command the stop command is not run either.
type Door struct {
	Name          string
	Start, Stop   string        // for IPv4 addresses
	Start6, Stop6 string        // for IPv6 addresses
	Lease         time.Duration // from the end of the start command to the stop command
}

// Leases opens and shuts doors. Its methods must all be called from one
// goroutine. It needs the process's children to itself: Reap takes any.
type Leases struct {
	log    func(string)
	runner *runner
	wheel  *matcher.Wheel // timer id is the lease's index
	leases []*lease
	free   []int
	byKey  map[key]int
	now    matcher.Time // of the call at hand
	ending bool         // every lease is to end
}

// key is what makes two openings the same lease. The commands tell doors of one
// name apart, also across a change of the configuration.
type key struct {
	door, start, stop string
	src               matcher.Addr
}

type state uint8

const (
	starting state = iota // the start command runs or waits for its turn
	open                  // the timer runs
	stopping              // the stop command runs or waits for its turn
)

type lease struct {
	key
	length time.Duration
	state  state
	failed bool // the start command did: a knock runs it again
	again  bool // knocked while stopping: open once more
}

// NewLeases returns a keeper of at most max leases (0: DefaultLeases). log
// takes one line at a time.
func NewLeases(max int, log func(string)) (*Leases, error) {
	if max == 0 {
		max = DefaultLeases
	}
	l := &Leases{
		log: log, wheel: matcher.NewWheel(max),
		leases: make([]*lease, 0, max), byKey: map[key]int{},
	}
	r, err := newRunner(log, l.ended)
	if err != nil {
		return nil, fmt.Errorf("prepare to run commands: %w", err)
	}
	l.runner = r
	return l, nil
}

// Open opens a door for src, or renews the lease if it is open.
func (l *Leases) Open(now matcher.Time, d *Door, src matcher.Addr) {
	l.now = now
	text, until := d.Start, d.Stop
	if !src.Is4() {
		text, until = d.Start6, d.Stop6
	}
	if text == "" || l.ending {
		return
	}
	text, until = Expand(text, src), Expand(until, src)
	if until == "" {
		l.runner.submit(command{door: d.Name, text: text, event: start, lease: -1})
		return
	}
	k := key{d.Name, text, until, src}
	if i, ok := l.byKey[k]; ok {
		l.renew(i, d)
		return
	}
	i, ok := l.alloc()
	if !ok {
		l.log(fmt.Sprintf("%s: %s: not opened: %d doors are open already, the most there can be", Text(src), d.Name, cap(l.leases)))
		return
	}
	l.leases[i] = &lease{key: k, length: d.Lease}
	l.byKey[k] = i
	l.run(i, starting)
}

func (l *Leases) renew(i int, d *Door) {
	le := l.leases[i]
	le.length = d.Lease
	switch {
	case le.state == open && le.failed:
		l.wheel.Cancel(i)
		l.run(i, starting)
	case le.state == open:
		l.wheel.Arm(i, l.now.Add(le.length))
		l.log(fmt.Sprintf("%s: %s: already open, lease renewed for %d s", Text(le.src), le.door, int64(le.length/time.Second)))
	case le.state == stopping:
		le.again = true
	}
}

// run runs the command that leads to a state.
func (l *Leases) run(i int, to state) {
	le := l.leases[i]
	le.state = to
	c := command{door: le.door, text: le.start, event: start, lease: i}
	if to == stopping {
		c.text, c.event = le.stop, stop
	}
	l.runner.submit(c)
}

// ended is called when a command has ended, or could not be run.
func (l *Leases) ended(c command, st status) {
	if c.lease < 0 {
		return
	}
	le := l.leases[c.lease]
	switch {
	case c.event == start && l.ending:
		l.run(c.lease, stopping)
	case c.event == start:
		// Also when it failed: part of it may have been done.
		le.state, le.failed = open, st.err != nil || !st.wait.Exited() || st.wait.ExitStatus() != 0
		l.wheel.Arm(c.lease, l.now.Add(le.length))
	case st.err != nil:
		le.state = open
		l.wheel.Arm(c.lease, l.now.Add(retryPause))
	case le.again && !l.ending:
		le.again = false
		l.run(c.lease, starting)
	default:
		l.forget(c)
	}
}

// forget ends the lease of a command.
func (l *Leases) forget(c command) {
	if c.lease >= 0 {
		delete(l.byKey, l.leases[c.lease].key)
		l.leases[c.lease] = nil
		l.free = append(l.free, c.lease)
	}
}

func (l *Leases) alloc() (int, bool) {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		return i, true
	}
	if len(l.leases) == cap(l.leases) {
		return 0, false
	}
	l.leases = append(l.leases, nil)
	return len(l.leases) - 1, true
}

// Next returns when Expire must be called again, Never if no lease runs.
func (l *Leases) Next() matcher.Time { return l.wheel.Next() }

// Expire begins to shut the doors whose lease is over.
func (l *Leases) Expire(now matcher.Time) {
	l.now = now
	for {
		i, ok := l.wheel.Expire(now)
		if !ok {
			return
		}
		l.log(fmt.Sprintf("%s: %s: command timeout", Text(l.leases[i].src), l.leases[i].door))
		l.run(i, stopping)
	}
}

// FD returns the descriptor to poll for reading; when it is ready, call Output.
func (l *Leases) FD() int { return l.runner.epoll }

// Output logs what commands have written.
func (l *Leases) Output() { l.runner.output() }

// Reap takes the commands that have ended. Call it after SIGCHLD.
func (l *Leases) Reap(now matcher.Time) {
	l.now = now
	l.runner.reap()
}

// CloseAll begins to shut every open door and opens none any more: start
// commands that wait for their turn are dropped. Len says how many doors are
// left.
func (l *Leases) CloseAll(now matcher.Time) {
	l.now, l.ending = now, true
	l.runner.forgetWaiting(l.forget)
	for i, le := range l.leases {
		if le != nil && le.state == open {
			l.wheel.Cancel(i)
			l.log(fmt.Sprintf("%s: %s: closing", Text(le.src), le.door))
			l.run(i, stopping)
		}
	}
}

// Interrupt sends a signal to the start commands of leases that still run, with
// all their children, so that their doors can be shut after CloseAll.
func (l *Leases) Interrupt(sig unix.Signal) {
	for pid, p := range l.runner.byPID {
		if p.event == start && p.lease >= 0 {
			l.log(fmt.Sprintf("%s: command still runs, sent signal %d (%v): %s", p.door, sig, sig, p.text))
			unix.Kill(-pid, sig) // a session of its own is a process group of its own
		}
	}
}

// Len returns how many leases there are, those that begin or end included.
func (l *Leases) Len() int { return len(l.byKey) }

// Left returns the stop commands of all leases, for a report.
func (l *Leases) Left() (commands []string) {
	for _, le := range l.leases {
		if le != nil {
			commands = append(commands, le.stop)
		}
	}
	return commands
}

// Close gives up what the system gave. Commands that run go on.
func (l *Leases) Close() { l.runner.close() }

// Expand returns a command with every %IP% replaced by src.
func Expand(text string, src matcher.Addr) string {
	return strings.ReplaceAll(text, "%IP%", Text(src))
}

// Text returns an address as people write it: IPv4 in dotted decimal, IPv6 as
// RFC 5952 says.
func Text(a matcher.Addr) string {
	return netip.AddrFrom16(a).Unmap().String()
}

// Package exec runs the commands of doors: the start command when a door is
// opened for an address, the stop command when its lease ends.
//
// A lease is the right of one address to one open door. There is one for each
// pair: knocking again while the door is open renews it and runs nothing. Its
// time begins when the start command has ended, as knockd's does, so start and
// stop of one lease never overlap; commands of different leases do not wait
// for each other, up to a number that run at once. No goroutine and no process
// waits for a lease to end: it is an entry in a table and a timer in a wheel.
//
// A lease is in the state file before its start command runs, and until its
// stop command has succeeded: a daemon that is started after a crash, or a
// reboot, shuts what the one before it has left open. The record is written
// before the start command is, which outlives the process; that the disk has it
// too, which outlives the power, is seen to while the command runs. A lease
// that cannot be recorded is not opened.
package exec

import (
	"strconv"
	"time"

	"sesame/fault"
	"sesame/matcher"
)

const (
	// DefaultOpen is how many doors can be open at once.
	DefaultOpen = 4096

	// DefaultCommands is how many commands run at once.
	DefaultCommands = 16

	// DefaultStopTimeout is how long a stop command may take.
	DefaultStopTimeout = 60 * time.Second

	// DefaultStopRetries is how often a stop command that fails is run again.
	DefaultStopRetries = 10

	// maxRetryPause is the longest pause before a stop command is run again; the
	// first is a second, and each is twice the one before.
	maxRetryPause = time.Minute
)

// Door is what a door's opening runs. An empty command runs nothing; without a
// start command the stop command is not run either.
type Door struct {
	Name          string
	Start, Stop   string        // for IPv4 addresses
	Start6, Stop6 string        // for IPv6 addresses
	Lease         time.Duration // from the end of the start command to the stop command
}

// commands returns those for the family of an address.
func (d *Door) commands(src matcher.Addr) Commands {
	if src.Is4() {
		return Commands{d.Name, d.Start, d.Stop}
	}
	return Commands{d.Name, d.Start6, d.Stop6}
}

// Instant is one moment on both clocks. Leases run on the one that counts from
// boot; the other is for what a reboot leaves.
type Instant struct {
	Now  matcher.Time
	Wall int64 // ns since 1970
}

// Limits bound commands. They may change while commands run.
type Limits struct {
	AtOnce       int           // commands that run, 1 or more
	StartTimeout time.Duration // of a start command; 0: none
	StopTimeout  time.Duration // of a stop command; 0: none
	StopRetries  int           // of a stop command that fails, 0 or more
}

// UnknownBoot is the same as no boot.
const UnknownBoot = "-"

// Settings are what Leases live with.
type Settings struct {
	Limits
	MaxOpen   int    // leases at once, 1 or more
	StateFile string // its path; "": leases end with the process
	Boot      string // identifies this boot; a word, UnknownBoot if there is none
	Forget    bool   // leases of an earlier boot, instead of running their stop commands
	Log       func(line string)
}

// Leases opens and shuts doors. Its methods must all be called from one
// goroutine. It needs the process's children to itself: Reap takes any.
type Leases struct {
	Settings
	journal *journal // nil without a state file
	runner  *runner
	wheel   *matcher.Wheel // timer id is the lease's index
	leases  []lease
	unused  []int32
	byKey   map[key]int32
	doors   map[Commands]*door
	at      Instant        // of the call at hand
	last    uint64         // number of the lease opened last
	orphans map[string]int // start commands of an earlier daemon, while they are looked for
	lookups []*lookup
	ending  bool // every lease is to end
	stuck   int  // leases in that state
	stats   Stats
}

// Stats count since the start.
type Stats struct {
	Opened      uint64 // doors, renewals not included
	Renewed     uint64
	Refused     uint64 // openings: no lease was free, it could not be recorded, too many commands waited
	StartFailed uint64
	StopFailed  uint64
	StateFailed uint64 // writes to the state file
}

// NewLeases returns a keeper of leases, those in the state file included.
func NewLeases(s Settings, at Instant) (*Leases, error) {
	l := &Leases{Settings: s, byKey: map[key]int32{}, doors: map[Commands]*door{}, at: at}
	told := &replay{}
	if s.StateFile != "" {
		var err error
		if l.journal, told, err = openJournal(s.StateFile, s.Log); err != nil {
			return nil, err
		}
	}
	l.wheel = matcher.NewWheel(max(s.MaxOpen, told.live)) // none is forgotten because there may be fewer now
	var err error
	if l.runner, err = newRunner(l); err != nil {
		l.closeJournal()
		return nil, fault.New("prepare to run commands", err)
	}
	l.takeOver(told)
	return l, nil
}

// SetLimits changes the limits for commands from now on.
func (l *Leases) SetLimits(at Instant, limits Limits) {
	l.at, l.Limits = at, limits
	l.runner.runWaiting()
}

// Outcome is what has come of an opening.
type Outcome uint8

const (
	Opened  Outcome = iota // the start command runs or waits for its turn
	Renewed                // the door is open, for longer now
	Queued                 // the door is about to be opened, or shut and opened again, already
	Nothing                // there is no command for this address
	Refused                // as the log says
)

// Open opens a door for src, or renews the lease if it is open.
func (l *Leases) Open(at Instant, d *Door, src matcher.Addr) Outcome {
	l.at = at
	c := d.commands(src)
	switch {
	case c.Start == "" || l.ending:
		return Nothing
	case c.Stop == "":
		if !l.runner.submit(command{event: start, lease: -1, door: d.Name, text: Expand(c.Start, src), alone: mustBeAlone(c.Start), src: src}) {
			l.stats.Refused++
			return Refused
		}
		return Opened
	}
	if k := (key{l.doors[c], src}); k.door != nil {
		if i, ok := l.byKey[k]; ok {
			return l.renew(i, d)
		}
	}
	if len(l.byKey) >= l.MaxOpen {
		l.stats.Refused++
		l.log(src, d.Name, "not opened: "+strconv.Itoa(l.MaxOpen)+" doors are open already, the most there can be (max_open)")
		return Refused
	}
	i := l.alloc()
	l.add(i, c, src, d.Lease)
	l.run(i, starting)
	if l.leases[i].state == free {
		return Refused
	}
	return Opened
}

func (l *Leases) renew(i int32, d *Door) Outcome {
	le := &l.leases[i]
	before := le.length
	le.length = d.Lease
	switch le.state {
	case open:
		if le.failed {
			l.wheel.Cancel(int(i))
			l.run(i, starting)
			if le.state != starting && le.state != open {
				return Refused
			}
			return Opened
		}
		l.extend(i)
		l.stats.Renewed++
		l.log(le.src, le.door.Name, "already open, lease renewed for "+seconds(le.length))
		return Renewed
	case retrying, stuck:
		// Whether the door is open is not known: shut it once more, then open.
		le.again = true
		l.shut(i)
	case stopping:
		le.again = true
	case starting, adopted:
		le.closing = false
		if le.id != 0 {
			l.moved(le, le.end.Add(le.length-before)) // with the length it tells when the start command began
		}
	}
	return Queued
}

// Expire begins to shut the doors whose lease is over, and ends commands that
// have taken too long.
func (l *Leases) Expire(at Instant) {
	l.at = at
	for {
		i, ok := l.wheel.Expire(at.Now)
		if !ok {
			break
		}
		l.due(int32(i))
	}
	l.runner.expire(at.Now)
	l.expireLookups()
}

// Next returns when Expire must be called again; Never: no lease runs, and no
// command that has an end.
func (l *Leases) Next() matcher.Time { return min(l.wheel.Next(), l.runner.next, l.nextLookup()) }

// FD returns the descriptor to poll for reading; when it is ready, call Ready.
func (l *Leases) FD() int { return l.runner.epoll }

// Ready logs what commands have written, and what became of the state file.
func (l *Leases) Ready(at Instant) {
	l.at = at
	l.runner.ready()
	l.tidy()
}

// Reap takes the commands that have ended. Call it after SIGCHLD.
func (l *Leases) Reap(at Instant) {
	l.at = at
	l.runner.reap()
}

// Len returns how many leases there are, those that begin or end included.
func (l *Leases) Len() int { return len(l.byKey) }

// Stats returns the counts so far.
func (l *Leases) Stats() Stats {
	s := l.stats
	if l.journal != nil {
		s.StateFailed = l.journal.failures
	}
	return s
}

// Close gives up what the system gave. Commands that run go on, and leases stay
// in the state file. Lookups end without a name.
func (l *Leases) Close() {
	l.endLookups()
	l.runner.close()
	l.closeJournal()
}

func (l *Leases) closeJournal() {
	if l.journal != nil {
		l.journal.close()
	}
}

// log logs a line about a lease.
func (l *Leases) log(src matcher.Addr, door, text string) {
	l.Log(src.String() + ": " + door + ": " + text)
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) + " s" }

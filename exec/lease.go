package exec

import (
	"strconv"
	"time"

	"sesame/matcher"
)

// adoptedPause is how often a start command is looked after that an earlier
// daemon has left running.
const adoptedPause = time.Second

// key is what makes two openings the same lease.
type key struct {
	door *door
	src  matcher.Addr
}

// door is one value for all leases with the same commands.
type door struct {
	Commands
	leases int
	alone  [numEvents]bool // its command must run alone
}

type state uint8

const (
	free     state = iota
	starting       // the start command runs or waits for its turn
	adopted        // the start command of an earlier daemon runs; the timer says when to look
	open           // the timer says when to shut
	stopping       // the stop command runs or waits for its turn
	retrying       // the stop command failed; the timer says when to run it again
	stuck          // it failed too often
)

type lease struct {
	key
	length  time.Duration
	opened  int64        // on the wall clock, ns
	end     matcher.Time // as recorded
	id      uint64       // in the state file; 0: not recorded
	pid     int          // of an adopted start command
	tries   int          // of the stop command that have failed
	state   state
	failed  bool // the start command did: a knock runs it again
	again   bool // knocked while being shut: open once more
	closing bool // to be shut as soon as the start command has ended
}

// alloc returns the index of a free lease.
func (l *Leases) alloc() int32 {
	if n := len(l.unused); n > 0 {
		i := l.unused[n-1]
		l.unused = l.unused[:n-1]
		return i
	}
	l.leases = append(l.leases, lease{})
	return int32(len(l.leases) - 1)
}

func (l *Leases) add(i int32, c Commands, src matcher.Addr, length time.Duration) *lease {
	d := l.doors[c]
	if d == nil {
		d = &door{Commands: c, alone: [...]bool{start: mustBeAlone(c.Start), stop: mustBeAlone(c.Stop)}}
		l.doors[c] = d
	}
	d.leases++
	le := &l.leases[i]
	*le = lease{key: key{d, src}, length: length, opened: l.at.Wall}
	l.byKey[le.key] = i
	return le
}

// forget ends a lease.
func (l *Leases) forget(i int32) {
	le := &l.leases[i]
	delete(l.byKey, le.key)
	if le.door.leases--; le.door.leases == 0 {
		delete(l.doors, le.door.Commands)
	}
	*le = lease{}
	l.unused = append(l.unused, i)
}

// run runs the command that leads to a state.
func (l *Leases) run(i int32, to state) {
	le := &l.leases[i]
	le.state = to
	c := command{door: le.door.Name, event: start, lease: i, src: le.src}
	if to == stopping {
		c.event = stop
	}
	c.alone = le.door.alone[c.event]
	l.runner.submit(c)
}

// shut runs the stop command of a lease whose start command has ended. A daemon
// that comes after a crash must not give the lease the rest of its time.
func (l *Leases) shut(i int32) {
	l.wheel.Cancel(int(i))
	le := &l.leases[i]
	if le.state == stuck {
		l.stuck--
	}
	if le.end > l.at.Now {
		l.moved(le, l.at.Now)
	}
	l.run(i, stopping)
}

// begin is called when it is a command's turn. It reports whether to run it.
func (l *Leases) begin(c *command) bool {
	if c.lease < 0 {
		l.stats.Opened++
		return true
	}
	le := &l.leases[c.lease]
	if c.event == stop {
		c.text = Expand(le.door.Stop, le.src)
		return true
	}
	c.text = Expand(le.door.Start, le.src)
	if err := l.record(le); err != nil {
		l.stats.Refused++
		l.log(le.src, le.door.Name, "not opened: its end could be forgotten: "+err.Error())
		if le.id != 0 {
			l.shut(c.lease) // what came before has left the door open, or half of it
		} else {
			l.forget(c.lease)
		}
		return false
	}
	l.stats.Opened++
	return true
}

// spawned is called when a command runs as a process.
func (l *Leases) spawned(c *command, pid int) {
	if c.lease >= 0 && c.event == start {
		l.note(&record{op: opRuns, id: l.leases[c.lease].id, pid: pid})
	}
}

// ended is called when a command has ended, or could not be run.
func (l *Leases) ended(c command, ok bool) {
	switch {
	case c.event == start && !ok:
		l.stats.StartFailed++
	case !ok:
		l.stats.StopFailed++
	}
	switch {
	case c.lease < 0:
	case c.event == start:
		l.leases[c.lease].failed = !ok
		l.started(c.lease)
	case ok:
		l.stopped(c.lease)
	default:
		l.failed(c.lease)
	}
}

// started begins the time of a lease, also when its start command failed: part
// of it may have been done.
func (l *Leases) started(i int32) {
	le := &l.leases[i]
	if l.ending || le.closing {
		l.shut(i)
		return
	}
	le.state = open
	l.extend(i)
}

// extend gives an open lease its full length from now.
func (l *Leases) extend(i int32) {
	le := &l.leases[i]
	end := l.at.Now.Add(le.length)
	l.wheel.Arm(int(i), end)
	l.moved(le, end)
}

func (l *Leases) stopped(i int32) {
	le := &l.leases[i]
	id := le.id
	le.id = 0 // not to be in a file that is written anew now
	l.note(&record{op: opShut, id: id})
	if le.again && !l.ending {
		le.again, le.tries, le.closing = false, 0, false
		l.run(i, starting)
		return
	}
	l.forget(i)
}

// failed sees to a lease whose stop command failed.
func (l *Leases) failed(i int32) {
	le := &l.leases[i]
	if le.again && !l.ending {
		le.again, le.tries, le.closing = false, 0, false
		l.run(i, starting)
		return
	}
	le.tries++
	if le.tries > l.StopRetries {
		le.state = stuck
		l.stuck++
		l.log(le.src, le.door.Name, "stuck: the stop command failed "+strconv.Itoa(le.tries)+
			" times, the door may be open; run it by hand, or sesame close")
		return
	}
	le.state = retrying
	pause := min(time.Second<<min(le.tries-1, 6), maxRetryPause)
	l.wheel.Arm(int(i), l.at.Now.Add(pause))
	l.log(le.src, le.door.Name, "the door may still be open, trying again in "+seconds(pause)+
		" ("+strconv.Itoa(le.tries)+" of "+strconv.Itoa(l.StopRetries)+")")
}

// due sees to a lease whose timer has ended.
func (l *Leases) due(i int32) {
	le := &l.leases[i]
	switch le.state {
	case open:
		l.log(le.src, le.door.Name, "command timeout")
		l.shut(i)
	case retrying:
		l.shut(i)
	case adopted:
		l.lookAfter(i)
	}
}

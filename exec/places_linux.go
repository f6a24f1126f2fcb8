package exec

import (
	"strconv"
)

// line is what may not take every place: the commands of one door, start and
// stop apart.
type line struct {
	door  string
	event event
	alone bool
}

// share is how many commands of a line run, and how many wait.
type share struct{ running, waiting int }

// submit runs a command now or when its turn comes. One without a lease is
// refused when too many wait.
func (r *runner) submit(c command) bool {
	switch {
	case r.mayRun(c.line()):
		r.run(c)
		return true
	case c.lease < 0 && r.loose >= maxWaiting:
		r.log(c.door, strconv.Itoa(maxWaiting)+" commands wait already, not run: "+c.text)
		return false
	case len(r.waiting) == 0:
		r.log(c.door, strconv.Itoa(len(r.byPID))+" commands run already, those that follow wait (max_commands, command_timeout)")
	}
	if c.lease < 0 {
		r.loose++
	}
	r.waiting = append(r.waiting, c)
	r.count(c.line(), 0, 1)
	return true
}

// mayRun reports whether there is a place for a command of a line.
func (r *runner) mayRun(l line) bool {
	limit := r.leases.AtOnce
	switch {
	case len(r.byPID) >= limit, l.alone && r.alone > 0:
		return false
	case r.leases.ending:
		return true
	case l.event == start && r.running[start] >= limit-(limit+2)/4:
		return false
	}
	return r.byLine[l].running < (limit+1)/2
}

func (c *command) line() line { return line{c.door, c.event, c.alone} }

// count counts commands of a line that run and that wait.
func (r *runner) count(l line, running, waiting int) {
	s := r.byLine[l]
	s.running, s.waiting = s.running+running, s.waiting+waiting
	if s == (share{}) {
		delete(r.byLine, l)
		return
	}
	r.byLine[l] = s
}

// runWaiting runs what has waited for a place. It looks through those that wait
// only if there is one to be found: they may be many, and of few lines.
func (r *runner) runWaiting() {
	for r.oneMayRun() {
		i := 0
		for !r.mayRun(r.waiting[i].line()) {
			i++
		}
		c := r.waiting[i]
		copy(r.waiting[1:i+1], r.waiting[:i])
		r.waiting[0] = command{}
		r.waiting = r.waiting[1:]
		r.count(c.line(), 0, -1)
		if c.lease < 0 {
			r.loose--
		}
		r.run(c)
	}
	if len(r.waiting) == 0 {
		r.waiting = nil
	}
}

// oneMayRun reports whether there is a place for a command that waits.
func (r *runner) oneMayRun() bool {
	if len(r.byPID) >= r.leases.AtOnce {
		return false
	}
	for l, s := range r.byLine {
		if s.waiting > 0 && r.mayRun(l) {
			return true
		}
	}
	return false
}

// dropStarts drops the start commands that wait, and calls dropped with each.
func (r *runner) dropStarts(dropped func(command)) {
	rest := r.waiting[:0]
	for _, c := range r.waiting {
		if c.event != start {
			rest = append(rest, c)
			continue
		}
		r.count(c.line(), 0, -1)
		dropped(c)
	}
	r.waiting, r.loose = rest, 0
}

// mustBeAlone reports whether a command is one of ufw's, which reads its rules
// before it waits for its lock: of several at a time all but one are lost, and
// none of them says so.
func mustBeAlone(text string) bool {
	const name = "ufw"
	for at := 0; at+len(name) <= len(text); at++ {
		end := at + len(name)
		if text[at:end] == name && (at == 0 || !wordByte(text[at-1])) && (end == len(text) || !wordByte(text[end])) {
			return true
		}
	}
	return false
}

// wordByte reports whether a byte may stand within a program's name.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

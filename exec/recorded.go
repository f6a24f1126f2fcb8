package exec

import (
	"time"

	"sesame/matcher"
)

// What the state file is told of leases.

// record writes down that a lease begins. One that begins again, after a
// failure, is recorded anew before it is crossed out.
func (l *Leases) record(le *lease) error {
	before := le.id
	l.last++
	le.id, le.opened, le.end = l.last, l.at.Wall, l.at.Now.Add(le.length)
	if l.journal == nil {
		return nil
	}
	err := l.journal.append(l.opening(le))
	switch {
	case err != nil:
		le.id = before
	case before != 0:
		l.note(&record{op: opShut, id: before})
	}
	return err
}

// opening is the record that says all of a lease.
func (l *Leases) opening(le *lease) *record {
	return &record{op: opOpen, id: le.id, terms: terms{
		door: le.door.Commands, src: le.src, boot: l.Boot, length: le.length, opened: le.opened,
		end: le.end, wallEnd: l.wall(le.end),
	}}
}

// wall is what the other clock will show, as far as is known now.
func (l *Leases) wall(t matcher.Time) int64 { return l.at.Wall + int64(t-l.at.Now) }

// moved writes down another end of a lease. Less than a second is not worth the
// wear of a router's flash.
func (l *Leases) moved(le *lease, end matcher.Time) {
	if d := time.Duration(end - le.end); -time.Second < d && d < time.Second {
		return
	}
	le.end = end
	l.note(&record{op: opEnds, id: le.id, terms: terms{end: end, wallEnd: l.wall(end)}})
}

// note writes a record without which a lease is still shut in the end.
func (l *Leases) note(r *record) {
	if l.journal == nil {
		return
	}
	if err := l.journal.append(r); err != nil {
		l.Log(err.Error())
	}
	l.tidy()
}

// tidy has the state file written anew when it is time to.
func (l *Leases) tidy() {
	if l.journal != nil && l.journal.wantsCompaction() {
		l.journal.replace(l.records)
	}
}

// records gives every record that a new state file needs.
func (l *Leases) records(write func(*record)) {
	for i := range l.leases {
		le := &l.leases[i]
		if le.id == 0 {
			continue
		}
		write(l.opening(le))
		if pid := l.runner.pidOf(int32(i)); pid != 0 && le.state == starting {
			write(&record{op: opRuns, id: le.id, pid: pid})
		} else if le.state == adopted {
			write(&record{op: opRuns, id: le.id, pid: le.pid})
		}
	}
}

// Package matcher recognises knock sequences. It is the state machine between
// the wire and the commands: packets and the time go in as values, events come
// out. It makes no system call, reads no clock, starts no goroutine, takes no
// lock and allocates nothing after New, except in SetSequence.
//
// # Semantics
//
// Every door advances by itself, for every source by itself. To a door, a
// packet is a knock if its port stands in the door's sequence and its flags are
// those that the door looks at; anything else, knocks on other doors included,
// is no concern of it. A knock does one of four things to the source's attempt
// on the door: it is the next one and the attempt advances; or it repeats the
// one just matched, as a retransmitted SYN does, and is ignored; or it is out
// of order and the attempt ends; or there is no attempt, and it begins one if
// it is the door's first knock. A knock out of order that is the door's first
// one begins the next attempt, so that knocking again after a lost packet works
// at once. An attempt ends Door.Timeout after its first knock.
//
// # Bounds
//
// Attempts live in a table of fixed size, found through a hash of source and
// door under a key drawn at every start. When the table is full, the oldest
// attempt that has matched only its first knock gives way; an attempt further
// along never does, and when there are only such, the new one is refused. Both
// are counted. A packet costs one hash, and one bucket for each door that has
// its port, however many attempts, doors and senders there are.
package matcher

import (
	"errors"
	"strconv"
)

// DefaultAttempts is a number of attempts in flight that fits in 1 MiB: 36 bytes
// and a timer of 24 for each, and 16,384 hash buckets of 4.
const DefaultAttempts = 16000

// Kind says what happened.
type Kind uint8

// What a knock, or the passing of time, can lead to.
const (
	Stage   Kind = iota + 1 // an attempt matched knock number Event.Stage
	Open                    // the sequence is complete
	Cooled                  // the sequence is complete, but the door opened less than its cooldown ago
	Timeout                 // an attempt that had come to Event.Stage ran out of time
)

// Event is one thing that happened at one door for one source.
type Event struct {
	Src   Addr
	Door  int // index into the doors given to New
	Stage int // knocks matched, from 1
	Kind  Kind
}

// Stats counts since New.
type Stats struct {
	Knocks   uint64 // packets to a port of a door, for this machine or a door's target
	Wrong    uint64 // attempts ended by a knock out of order
	Timeouts uint64 // attempts that ran out of time
	Openings uint64 // completed sequences, without those in a cooldown
	Evicted  uint64 // first-stage attempts that gave way in a full table
	Refused  uint64 // attempts not begun, because all others were further along
}

// Matcher holds the attempts in flight. Its methods must not be called at the
// same time from several goroutines.
type Matcher struct {
	doors []door
	index portIndex
	users [][]uint16 // by port: the doors in whose sequence it stands
	table
	wheel  *Wheel // timer id is attempt id
	stats  Stats
	events []Event
}

// New returns a matcher for the doors, with room for the given number of
// attempts in flight (0: DefaultAttempts). The key should be random. New fails
// when there are more than 65,535 doors or 16,777,216 attempts, or a door has
// more than MaxSequence knocks, port 0, or no time for its sequence.
func New(doors []Door, attempts int, key Key) (*Matcher, error) {
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	if attempts < 1 || attempts > 1<<24 {
		return nil, errors.New(strconv.Itoa(attempts) + " attempts: must be 1 to " + strconv.Itoa(1<<24))
	}
	if len(doors) > 1<<16-1 {
		return nil, errors.New(strconv.Itoa(len(doors)) + " doors: at most " + strconv.Itoa(1<<16-1) + " are possible")
	}
	m := &Matcher{
		doors:  make([]door, len(doors)),
		table:  newTable(attempts, key),
		wheel:  NewWheel(attempts),
		events: make([]Event, 0, 3*len(doors)), // the most a packet can lead to: timeout, stage and opening at each
	}
	for i, d := range doors {
		if err := d.check(); err != nil {
			return nil, errors.New("door " + strconv.Itoa(i) + ": " + err.Error())
		}
		m.doors[i].Door = d
	}
	m.rebuild()
	return m, nil
}

// Stats returns the counts so far.
func (m *Matcher) Stats() Stats { return m.stats }

// InFlight returns the number of attempts in flight.
func (m *Matcher) InFlight() int { return m.inFlight }

// Next returns when Expire must be called again, Never if no attempt is in
// flight.
func (m *Matcher) Next() Time { return m.wheel.Next() }

// Expire ends one attempt whose time is up and returns its Timeout, or false
// when there is none. Call it until it says so.
func (m *Matcher) Expire(now Time) (Event, bool) {
	id, ok := m.wheel.Expire(now)
	if !ok {
		return Event{}, false
	}
	return m.timeout(uint32(id) + 1), true
}

// timeout ends an attempt and returns the event that tells of it.
func (m *Matcher) timeout(id uint32) Event {
	a := &m.attempts[id-1]
	ev := Event{Src: a.src, Door: int(a.door), Stage: int(a.stage), Kind: Timeout}
	m.stats.Timeouts++
	m.remove(id)
	return ev
}

// Packet takes one packet that came in at the instant now and returns what
// follows, in the order of the doors. The events are valid until the next call.
func (m *Matcher) Packet(now Time, p *Packet) []Event {
	m.events = m.events[:0]
	port, ok := m.index.find(p.Port)
	if !ok {
		return nil
	}
	meant := p.Local
	hash := sipHash(m.key, &p.Src)
	for _, d := range m.users[port] {
		if m.doors[d].takes(p) {
			meant = true
			m.knock(now, p, m.bucket(hash, int(d)), int(d))
		}
	}
	if meant {
		m.stats.Knocks++
	}
	return m.events
}

// knock applies a knock to one door.
func (m *Matcher) knock(now Time, p *Packet, bucket uint32, i int) {
	d := &m.doors[i]
	if id := m.find(bucket, &p.Src, i); id != 0 {
		a := &m.attempts[id-1]
		at, _ := m.wheel.Deadline(int(id - 1))
		switch {
		case now >= at:
			m.events = append(m.events, m.timeout(id))
		case p.Port == d.Sequence[a.stage]:
			m.advance(now, p, id)
			return
		case p.Port == d.Sequence[a.stage-1]:
			return
		default:
			m.stats.Wrong++
			m.remove(id)
		}
	}
	if p.Port == d.Sequence[0] {
		m.begin(now, p, bucket, i)
	}
}

// advance takes an attempt to its next stage, which may be its last.
func (m *Matcher) advance(now Time, p *Packet, id uint32) {
	a := &m.attempts[id-1]
	if a.stage == 1 {
		m.leaveFirst(id)
	}
	a.stage++
	i, stage := int(a.door), int(a.stage)
	if stage == len(m.doors[i].Sequence) {
		m.remove(id)
	}
	m.matched(now, p, i, stage)
}

// begin matches the first knock of a door.
func (m *Matcher) begin(now Time, p *Packet, bucket uint32, i int) {
	if d := &m.doors[i]; len(d.Sequence) > 1 {
		id := m.place()
		if id == 0 {
			m.stats.Refused++
			return
		}
		m.attempts[id-1] = attempt{src: p.Src, bucket: bucket, door: uint16(i), stage: 1}
		m.insert(id)
		m.wheel.Arm(int(id-1), now.Add(d.Timeout))
	}
	m.matched(now, p, i, 1)
}

// matched reports knock number stage of a door, and the opening if it is the
// last one.
func (m *Matcher) matched(now Time, p *Packet, i, stage int) {
	d := &m.doors[i]
	ev := Event{Src: p.Src, Door: i, Stage: stage, Kind: Stage}
	m.events = append(m.events, ev)
	if stage < len(d.Sequence) {
		return
	}
	ev.Kind = Open
	if now < d.ready {
		ev.Kind = Cooled
	} else {
		m.stats.Openings++
		if d.Cooldown > 0 {
			d.ready = now.Add(d.Cooldown)
		}
	}
	m.events = append(m.events, ev)
}

// place returns a place for a new attempt as id+1, or 0 when the table is full
// of attempts that must not give way.
func (m *Matcher) place() uint32 {
	if m.full() {
		if m.oldest == 0 {
			return 0
		}
		m.stats.Evicted++
		m.remove(m.oldest)
	}
	return m.alloc()
}

// remove ends an attempt: out of the table, its timer disarmed.
func (m *Matcher) remove(id uint32) {
	m.wheel.Cancel(int(id - 1))
	m.release(id)
}

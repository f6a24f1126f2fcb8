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
// # Floods
//
// Attempts live in a table of fixed size, found through a hash of source and
// door under a key drawn at every start, so that no sender can choose sources
// that meet in one bucket. A packet costs one hash, and one bucket for each door
// that has its port, however many attempts, doors and senders there are.
//
// When the table is full, the attempt that has matched one knock and is the
// oldest gives way to a new one. Attempts that have matched more can have half of
// the table; there the one gives way whose last knock is the longest ago. So an
// attempt is lost only after as many others as half of the table holds have been
// begun or advanced since its own last knock: with DefaultAttempts 6,000, which
// 200,000 packets a second take 30 ms for, and 10,000 take 0.6 s. Whoever
// knocks at shorter intervals is always heard; forged sources do not help, and
// neither does knowing some of the ports. What is not guaranteed: a packet to a
// port that many doors have begins an attempt at each; slower knocks during
// larger floods; and packets that the kernel or the link loses.
//
// # Scans
//
// Without more, a scan of all ports walks through a sequence, since nothing but
// the ports of doors is looked at. Decoys are ports that no door has and no
// client touches. A source that touches one is ignored for a while, and its
// attempts end. So do those of its network if several of its addresses touch
// decoys: a scan may be shared among them.
package matcher

import (
	"errors"
	"strconv"
)

// DefaultAttempts is a number of attempts in flight that takes 785 kB: 36 bytes
// and a timer of 24 for each, and 16,384 hash buckets of 4. Half of it is more
// than 200,000 packets a second begin in the 20 ms between two knocks.
const DefaultAttempts = 12000

// Kind says what happened.
type Kind uint8

// What a knock, or the passing of time, can lead to.
const (
	Stage   Kind = iota + 1 // an attempt matched knock number Event.Stage
	Open                    // the sequence is complete
	Cooled                  // the sequence is complete, but the door opened less than its cooldown ago
	Timeout                 // an attempt that had come to Event.Stage ran out of time
	Scan                    // the source touched a decoy, for the first time in a while; no door is meant
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
	Wrong    uint64 // attempts ended by a knock out of order, or by a decoy
	Timeouts uint64 // attempts that ran out of time
	Openings uint64 // completed sequences, without those in a cooldown
	Evicted  uint64 // attempts that gave way to newer ones
	Decoys   uint64 // packets to decoys
	Ignored  uint64 // packets to ports of doors, of sources that are ignored
}

// Matcher holds the attempts in flight. Its methods must not be called at the
// same time from several goroutines.
type Matcher struct {
	doors []door
	index portIndex
	users [][]uint16 // by port: the doors in whose sequence it stands
	table
	wheel     *Wheel // timer id is attempt id
	guard     *Guard // nil: no decoys
	decoys    []Port
	decoySets [2]*portSet // by protocol; nil: none
	stats     Stats
	events    []Event
}

// New returns a matcher for the doors, with room for the given number of
// attempts in flight (0: DefaultAttempts). The key should be random. New fails
// when there are more than 65,535 doors, fewer than 2 or more than 16,777,216
// attempts, or a door has more than MaxSequence knocks, port 0, or no time for its sequence.
func New(doors []Door, attempts int, key Key) (*Matcher, error) {
	if attempts == 0 {
		attempts = DefaultAttempts
	}
	if attempts < 2 || attempts > 1<<24 {
		return nil, errors.New(strconv.Itoa(attempts) + " attempts: must be 2 to " + strconv.Itoa(1<<24))
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
	m.takeMemory()
	return m, nil
}

// takeMemory writes to every page of the tables: under a flood it would be too
// late to find out that there is no memory for them.
func (m *Matcher) takeMemory() {
	const page, size, timerSize, bucketSize = 4096, 36, 24, 4
	for i := 0; i < len(m.attempts); i += page / size {
		m.attempts[i] = attempt{}
	}
	for i := 0; i < len(m.wheel.timers); i += page / timerSize {
		m.wheel.timers[i] = timer{}
	}
	for i := 0; i < len(m.buckets); i += page / bucketSize {
		m.buckets[i] = 0
	}
}

// Stats returns the counts so far.
func (m *Matcher) Stats() Stats { return m.stats }

// Next returns when Expire must be called again, Never if no attempt is in
// flight.
func (m *Matcher) Next() Time { return m.wheel.Next() }

// Expire ends one attempt whose time is up and returns its Timeout, or false
// when there is none. Call it until it says so.
func (m *Matcher) Expire(now Time) (Event, bool) {
	for {
		id, ok := m.wheel.Expire(now)
		if !ok {
			return Event{}, false
		}
		if m.spoilt(uint32(id) + 1) {
			m.end(uint32(id) + 1)
			continue
		}
		return m.timeout(uint32(id) + 1), true
	}
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
	switch {
	case !ok && m.isDecoy(p):
		m.stats.Decoys++
		if m.guard.touch(now, &p.Src) {
			m.events = append(m.events, Event{Src: p.Src, Kind: Scan})
		}
		return m.events
	case !ok:
		return nil
	case m.guard != nil && m.guard.ignores(now, &p.Src):
		m.stats.Ignored++
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

// remove ends an attempt: out of the table, its timer disarmed.
func (m *Matcher) remove(id uint32) {
	m.wheel.Cancel(int(id - 1))
	m.release(id)
}

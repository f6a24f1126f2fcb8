package matcher

import (
	"errors"
	"strconv"
)

type door struct {
	Door
	ready Time // not open again before
}

// takes reports whether the door looks at the packet at all.
func (d *door) takes(p *Packet) bool {
	if d.Target != (Addr{}) {
		return d.Target.holds(&p.Dst, d.Wide) && d.Flags.Accept(p.Port.Proto, p.Flags)
	}
	return p.Local && d.Flags.Accept(p.Port.Proto, p.Flags)
}

func (d *Door) check() error {
	if len(d.Sequence) > MaxSequence {
		return errors.New(strconv.Itoa(len(d.Sequence)) + " knocks: at most " + strconv.Itoa(MaxSequence) + " are possible")
	}
	for _, p := range d.Sequence {
		if p.Number == 0 || p.Proto != TCP && p.Proto != UDP {
			return errors.New("no knock can be sent to port " + strconv.Itoa(int(p.Number)) + "/" + p.Proto.String())
		}
	}
	if d.Timeout <= 0 && len(d.Sequence) > 1 {
		return errors.New("no time for the sequence")
	}
	return nil
}

// rebuild indexes the ports of all doors.
func (m *Matcher) rebuild() {
	m.index, m.users = portIndex{}, nil
	for i := range m.doors {
		for _, p := range m.doors[i].Sequence {
			port := m.index.add(p)
			if port == len(m.users) {
				m.users = append(m.users, nil)
			}
			if u := m.users[port]; len(u) == 0 || u[len(u)-1] != uint16(i) {
				m.users[port] = append(u, uint16(i))
			}
		}
	}
}

// SetSequence gives a door another sequence, as after the use of a one-time
// sequence; an empty one shuts the door for good. Attempts on that door end
// without an event, other attempts go on. The door's other rules stay. Unlike
// Packet it allocates, and its time grows with the doors and attempts.
func (m *Matcher) SetSequence(d int, sequence []Port) error {
	changed := m.doors[d].Door
	changed.Sequence = sequence
	if err := changed.check(); err != nil {
		return errors.New("door " + strconv.Itoa(d) + ": " + err.Error())
	}
	for id := range m.unused {
		if a := &m.attempts[id]; a.stage != 0 && int(a.door) == d {
			m.remove(id + 1)
		}
	}
	m.doors[d].Door = changed
	m.rebuild()
	return nil
}

// Ports returns the ports of all doors, each once, in no particular order. The
// caller must not change the slice.
func (m *Matcher) Ports() []Port { return m.index.ports }

// HasPort reports whether a port stands in the sequence of a door.
func (m *Matcher) HasPort(p Port) bool {
	_, ok := m.index.find(p)
	return ok
}

// portIndex finds a port's entry in two loads, however many ports there are.
// Only pages of 256 ports that hold a port exist: a kilobyte for each.
type portIndex struct {
	pages [2][256]*[256]uint32 // index+1 into ports; 0: no door uses the port
	ports []Port
}

func (x *portIndex) find(p Port) (i int, ok bool) {
	page := x.pages[protoIndex(p.Proto)][p.Number>>8]
	if page == nil {
		return 0, false
	}
	n := page[p.Number&0xff]
	return int(n) - 1, n != 0
}

// add returns the entry of p, a new one if p is new.
func (x *portIndex) add(p Port) int {
	if i, ok := x.find(p); ok {
		return i
	}
	page := &x.pages[protoIndex(p.Proto)][p.Number>>8]
	if *page == nil {
		*page = new([256]uint32)
	}
	x.ports = append(x.ports, p)
	(*page)[p.Number&0xff] = uint32(len(x.ports))
	return len(x.ports) - 1
}

// Flags returns what every door asks of a TCP packet: a packet that does not
// match is of no use to any door. Doors without a TCP port have no say.
func (m *Matcher) Flags() Flags {
	common, any := Flags{Set: 0xff, Clear: 0xff}, false
	for i := range m.doors {
		for _, p := range m.doors[i].Sequence {
			if p.Proto == TCP {
				any = true
				common.Set &= m.doors[i].Flags.Set
				common.Clear &= m.doors[i].Flags.Clear
				break
			}
		}
	}
	if !any {
		return Flags{}
	}
	return common
}

func protoIndex(p Proto) int {
	if p == UDP {
		return 1
	}
	return 0
}

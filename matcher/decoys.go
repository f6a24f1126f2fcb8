package matcher

// firstDecoy is the lowest port that a decoy falls on: those below belong to
// services (RFC 6335, section 6).
const firstDecoy = 1024

// DrawDecoys returns ports that no door has, for SetDecoys: n at random for each
// protocol that a door uses, and the neighbours of all ports of doors. usable
// says whether a port may be one. The draw follows from the key, which should be
// random. Fewer are returned where hardly a port is left.
func DrawDecoys(doors []Door, n int, key Key, usable func(Port) bool) (decoys []Port) {
	var taken [2]portSet
	var used [2]bool
	for i := range doors {
		for _, p := range doors[i].Sequence {
			taken[protoIndex(p.Proto)].add(p.Number)
			used[protoIndex(p.Proto)] = true
		}
	}
	draw := func(number uint16, proto Proto) bool {
		p := Port{number, proto}
		set := &taken[protoIndex(proto)]
		if number < firstDecoy || set.has(number) || !usable(p) {
			return false
		}
		set.add(number)
		decoys = append(decoys, p)
		return true
	}
	for i := range doors {
		for _, p := range doors[i].Sequence {
			draw(p.Number-1, p.Proto)
			draw(p.Number+1, p.Proto)
		}
	}
	for i, proto := range []Proto{TCP, UDP} {
		if !used[i] {
			continue
		}
		// Misses are rare, unless the doors or the services have most ports.
		counter := Addr{0: byte(proto)}
		for left, tries := n, 16*n; left > 0 && tries > 0; tries-- {
			random := sipHash(key, &counter)
			for b := 15; ; b-- {
				if counter[b]++; counter[b] != 0 {
					break
				}
			}
			if draw(uint16(firstDecoy+random%(1<<16-firstDecoy)), proto) {
				left--
			}
		}
	}
	return decoys
}

// SetDecoys puts ports under guard, in the place of those before: a source that
// touches one loses its attempts, and so does its network, and the guard has it
// ignored. A port of a door is none. Over TCP only a SYN without ACK counts, so
// that no reply does.
func (m *Matcher) SetDecoys(g *Guard, ports []Port) {
	m.guard, m.decoys, m.decoySets = g, ports, [2]*portSet{}
	for _, p := range ports {
		set := &m.decoySets[protoIndex(p.Proto)]
		if *set == nil {
			*set = new(portSet)
		}
		(*set).add(p.Number)
	}
}

// Decoys returns the ports given to SetDecoys. The caller must not change the
// slice.
func (m *Matcher) Decoys() []Port { return m.decoys }

// Spare makes a decoy an ordinary port again.
func (m *Matcher) Spare(p Port) {
	var others []Port
	for _, d := range m.decoys {
		if d != p {
			others = append(others, d)
		}
	}
	m.SetDecoys(m.guard, others)
}

// isDecoy reports whether a packet to no door's port touches a decoy.
func (m *Matcher) isDecoy(p *Packet) bool {
	set := m.decoySets[protoIndex(p.Port.Proto)]
	if set == nil || !set.has(p.Port.Number) || p.Port.Proto == TCP && p.Flags&(SYN|ACK) != SYN {
		return false
	}
	if p.Local {
		return true
	}
	for i := range m.doors {
		if d := &m.doors[i]; d.Target != (Addr{}) && d.Target.holds(&p.Dst, d.Wide) {
			return true
		}
	}
	return false
}

// portSet is a bit for each port of a protocol.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(port uint16)      { s[port/64] |= 1 << (port % 64) }
func (s *portSet) has(port uint16) bool { return s[port/64]&(1<<(port%64)) != 0 }

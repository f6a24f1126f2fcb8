package matcher

// knock applies a knock to one door.
func (m *Matcher) knock(now Time, p *Packet, bucket uint32, i int) {
	d := &m.doors[i]
	if id := m.find(bucket, &p.Src, i); id != 0 {
		a := &m.attempts[id-1]
		at, _ := m.wheel.Deadline(int(id - 1))
		switch {
		case m.spoilt(id):
			m.end(id)
		case now >= at:
			m.events = append(m.events, m.timeout(id))
		case p.Port == d.Sequence[a.stage]:
			m.advance(now, p, id)
			return
		case p.Port == d.Sequence[a.stage-1]:
			return
		default:
			m.end(id)
		}
	}
	if p.Port == d.Sequence[0] {
		m.begin(now, p, bucket, i)
	}
}

// spoilt reports whether a decoy was touched from the attempt's network since
// its first knock.
func (m *Matcher) spoilt(id uint32) bool {
	if m.guard == nil {
		return false
	}
	a := &m.attempts[id-1]
	at, _ := m.wheel.Deadline(int(id - 1))
	return m.guard.touchedSince(at-Time(m.doors[a.door].Timeout), &a.src)
}

// end ends an attempt that comes to nothing, without an event.
func (m *Matcher) end(id uint32) {
	m.stats.Wrong++
	m.remove(id)
}

// advance takes an attempt to its next stage, which may be its last.
func (m *Matcher) advance(now Time, p *Packet, id uint32) {
	a := &m.attempts[id-1]
	i, stage := int(a.door), int(a.stage)+1
	if stage == len(m.doors[i].Sequence) {
		m.remove(id)
	} else {
		if stage == 2 && m.laterFull() {
			m.stats.Evicted++
			m.remove(m.later.oldest)
		}
		m.leave(id)
		a.stage++
		m.enter(id)
	}
	m.matched(now, p, i, stage)
}

// begin matches the first knock of a door.
func (m *Matcher) begin(now Time, p *Packet, bucket uint32, i int) {
	if d := &m.doors[i]; len(d.Sequence) > 1 {
		if m.full() {
			m.stats.Evicted++
			m.remove(m.first.oldest) // half of the table is theirs
		}
		id := m.alloc()
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

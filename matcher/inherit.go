package matcher

// Inherit takes over what another matcher knows of its doors, as after a
// reload: attempts in flight with their stage and deadline, and cooldowns. to
// holds for each door of old the index of the same door here, or -1 if that is
// no more; the two must have equal sequences. Attempts for which there is no
// room are left behind. old is not changed. Unlike Packet, its time grows with
// the attempts.
func (m *Matcher) Inherit(old *Matcher, to []int) {
	for from, i := range to {
		if i >= 0 {
			m.doors[i].ready = max(m.doors[i].ready, old.doors[from].ready)
		}
	}
	// Which attempt of its class is the oldest must not change.
	for _, l := range []ages{old.later, old.first} {
		for id := l.oldest; id != 0; id = old.attempts[id-1].newer {
			m.inherit(old, id, to)
		}
	}
}

// inherit takes over one attempt.
func (m *Matcher) inherit(old *Matcher, id uint32, to []int) {
	a := &old.attempts[id-1]
	door := to[a.door]
	if door < 0 || m.full() || a.stage > 1 && m.laterFull() {
		return
	}
	at, _ := old.wheel.Deadline(int(id - 1))
	place := m.alloc()
	m.attempts[place-1] = attempt{
		src: a.src, bucket: m.bucket(sipHash(m.key, &a.src), door), door: uint16(door), stage: a.stage,
	}
	m.insert(place)
	m.wheel.Arm(int(place-1), at)
}

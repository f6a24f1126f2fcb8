package matcher

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is the semantics written down plainly: a list of attempts in the order
// of their last knock, walked for every packet.
type model struct {
	doors    []Door
	ready    []Time
	capacity int
	attempts []modelAttempt

	decoys  []Port
	lockout time.Duration
	ignored map[Addr]Time // until
	touches []modelTouch
}

type modelAttempt struct {
	src             Addr
	door            int
	stage           int
	begun, deadline Time
}

func (m *model) packet(now Time, p *Packet) (evs []Event) {
	if slices.Contains(m.decoys, p.Port) {
		return m.touch(now, p)
	}
	if m.lockout > 0 && now < m.ignored[p.Src] {
		return nil
	}
	for i := range m.doors {
		if m.takes(i, p) {
			evs = append(evs, m.knock(now, p, i)...)
		}
	}
	return evs
}

func (m *model) touch(now Time, p *Packet) (evs []Event) {
	toTarget := slices.ContainsFunc(m.doors, func(d Door) bool { return d.Target != (Addr{}) && inNetwork(p.Dst, d.Target, d.Wide) })
	if p.Port.Proto == TCP && (p.Flags&SYN == 0 || p.Flags&ACK != 0) || !p.Local && !toTarget {
		return nil
	}
	if now >= m.ignored[p.Src] {
		evs = []Event{{Src: p.Src, Kind: Scan}}
	}
	m.ignored[p.Src] = now.Add(m.lockout)
	if m.lockout == 0 {
		m.ignored[p.Src] = now.Add(time.Minute)
	}
	m.touches = append(m.touches, modelTouch{p.Src, now})
	return evs
}

type modelTouch struct {
	src Addr
	at  Time
}

func network(a Addr) Addr { return v4(a[12], a[13], a[14], 0) }

// spoilt walks all touches of the attempt's network: those of its source count,
// and those within a minute after two sources took turns within one.
func (m *model) spoilt(a *modelAttempt) (spoilt bool) {
	var last modelTouch
	shared := Time(0)
	for _, t := range m.touches {
		if network(t.src) != network(a.src) {
			continue
		}
		if last.src != (Addr{}) && last.src != t.src && t.at < last.at.Add(time.Minute) {
			shared = t.at.Add(time.Minute)
		}
		last = t
		spoilt = spoilt || t.at >= a.begun && (t.src == a.src || t.at < shared)
	}
	return spoilt
}

func (m *model) knock(now Time, p *Packet, i int) (evs []Event) {
	sequence := m.doors[i].Sequence
	n := slices.IndexFunc(m.attempts, func(a modelAttempt) bool { return a.src == p.Src && a.door == i })
	if n >= 0 {
		a := &m.attempts[n]
		switch {
		case m.spoilt(a):
		case now >= a.deadline:
			evs = append(evs, Event{a.src, i, a.stage, Timeout})
		case p.Port == sequence[a.stage]:
			moved := *a
			moved.stage++
			m.attempts = slices.Delete(m.attempts, n, n+1)
			evs = append(evs, Event{a.src, i, moved.stage, Stage})
			evs[len(evs)-1].Src = p.Src
			if moved.stage == len(sequence) {
				return append(evs, m.open(now, p.Src, i))
			}
			if moved.stage == 2 {
				m.makeRoom(m.capacity/2, later)
			}
			m.attempts = append(m.attempts, moved)
			return evs
		case p.Port == sequence[a.stage-1]:
			return nil
		}
		m.attempts = slices.Delete(m.attempts, n, n+1)
	}
	switch {
	case p.Port != sequence[0]:
		return evs
	case len(sequence) == 1:
		return append(evs, Event{p.Src, i, 1, Stage}, m.open(now, p.Src, i))
	}
	if len(m.attempts) == m.capacity {
		m.makeRoom(0, func(a modelAttempt) bool { return !later(a) })
	}
	m.attempts = append(m.attempts, modelAttempt{p.Src, i, 1, now, now.Add(m.doors[i].Timeout)})
	return append(evs, Event{p.Src, i, 1, Stage})
}

func later(a modelAttempt) bool { return a.stage > 1 }

// makeRoom ends the oldest attempt of a class that has as many as it may have.
func (m *model) makeRoom(most int, class func(modelAttempt) bool) {
	n := 0
	for _, a := range m.attempts {
		if class(a) {
			n++
		}
	}
	if n >= most {
		i := slices.IndexFunc(m.attempts, class)
		m.attempts = slices.Delete(m.attempts, i, i+1)
	}
}

func (m *model) takes(i int, p *Packet) bool {
	d := m.doors[i]
	if !slices.Contains(d.Sequence, p.Port) {
		return false
	}
	meant := p.Local
	if d.Target != (Addr{}) {
		meant = inNetwork(p.Dst, d.Target, d.Wide)
	}
	return meant && (p.Port.Proto == UDP || p.Flags&d.Flags.Set == d.Flags.Set && p.Flags&d.Flags.Clear == 0)
}

func (m *model) open(now Time, src Addr, i int) Event {
	ev := Event{src, i, len(m.doors[i].Sequence), Open}
	if now < m.ready[i] {
		ev.Kind = Cooled
	} else if m.doors[i].Cooldown > 0 {
		m.ready[i] = now.Add(m.doors[i].Cooldown)
	}
	return ev
}

// expire ends the attempts whose time is up and returns their timeouts.
func (m *model) expire(now Time) (evs []Event) {
	m.attempts = slices.DeleteFunc(m.attempts, func(a modelAttempt) bool {
		if now < a.deadline {
			return false
		}
		if !m.spoilt(&a) {
			evs = append(evs, Event{a.src, a.door, a.stage, Timeout})
		}
		return true
	})
	return evs
}

// TestModel sends random packets of few sources to few ports, so that much
// collides, to the matcher and to the model. Tables are small, so that many
// attempts give way. Times are whole ticks, for which the wheel is exact.
func TestModel(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		doors := make([]Door, 1+rnd.IntN(8))
		for i := range doors {
			doors[i] = randomDoor(rnd)
		}
		capacity := 2 + rnd.IntN(12)
		m, err := New(doors, capacity, Key{rnd.Uint64(), rnd.Uint64()})
		if err != nil {
			t.Fatal(err)
		}
		ref := &model{
			doors: doors, ready: make([]Time, len(doors)), capacity: capacity,
			ignored: map[Addr]Time{},
		}
		if rnd.IntN(3) > 0 {
			ref.decoys, ref.lockout = []Port{{9, TCP}, {9, UDP}}, time.Duration(rnd.IntN(3))*time.Second
			m.SetDecoys(NewGuard(ref.lockout, Key{rnd.Uint64(), rnd.Uint64()}), ref.decoys)
		}
		now := Time(0)
		check := func(step int, got, want []Event) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, step %d: events\n%v, want\n%v", seed, step, got, want)
			}
		}
		for step := range 3000 {
			now += tick * Time(rnd.IntN(400))
			if rnd.IntN(3) == 0 {
				check(step, inOrder(expireAll(m, now)), inOrder(ref.expire(now)))
			}
			p := randomPacket(rnd)
			check(step, m.Packet(now, &p), ref.packet(now, &p))
			if m.InFlight() != len(ref.attempts) {
				t.Fatalf("seed %d, step %d: %d in flight, want %d", seed, step, m.InFlight(), len(ref.attempts))
			}
		}
	}
}

func expireAll(m *Matcher, now Time) (evs []Event) {
	for {
		ev, ok := m.Expire(now)
		if !ok {
			return evs
		}
		evs = append(evs, ev)
	}
}

// inOrder sorts events by door and source: nothing is said of the order of
// timeouts that are due at the same time.
func inOrder(evs []Event) []Event {
	evs = slices.Clone(evs)
	slices.SortStableFunc(evs, func(a, b Event) int {
		if a.Door != b.Door {
			return a.Door - b.Door
		}
		return slices.Compare(a.Src[:], b.Src[:])
	})
	return evs
}

func randomDoor(rnd *rand.Rand) Door {
	d := Door{Timeout: time.Duration(tick) * time.Duration(1+rnd.IntN(4000))}
	for range 1 + rnd.IntN(4) {
		d.Sequence = append(d.Sequence, randomPort(rnd))
	}
	switch rnd.IntN(3) {
	case 0:
		d.Flags = Flags{Set: SYN}
	case 1:
		d.Flags = Flags{Set: SYN, Clear: ACK}
	}
	if rnd.IntN(4) == 0 {
		d.Target = other
		if rnd.IntN(2) == 0 {
			d.Wide = 8
			d.Target[15] = 0
		}
	}
	if rnd.IntN(4) == 0 {
		d.Cooldown = time.Duration(rnd.IntN(20)) * time.Second
	}
	return d
}

func randomPort(rnd *rand.Rand) Port {
	p := Port{uint16(1 + rnd.IntN(4)), TCP}
	if rnd.IntN(4) == 0 {
		p.Proto = UDP
	}
	return p
}

func randomPacket(rnd *rand.Rand) Packet {
	p := Packet{Src: v4(192, 0, 2, byte(rnd.IntN(6))), Dst: mine, Port: randomPort(rnd), Local: true, Flags: SYN}
	if rnd.IntN(6) == 0 {
		p.Flags = uint8(rnd.IntN(64))
	}
	if rnd.IntN(5) == 0 {
		p.Dst, p.Local = other, false
	}
	if rnd.IntN(3) == 0 {
		p.Src = v4(198, 51, 100, byte(rnd.IntN(2)))
	}
	switch rnd.IntN(20) {
	case 0:
		p.Port.Number = 77
	case 1:
		p.Port.Number = 9
	}
	return p
}

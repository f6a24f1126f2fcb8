package matcher

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"
)

const sec = Time(time.Second)

func v4(a, b, c, d byte) Addr {
	return Addr{10: 0xff, 11: 0xff, 12: a, 13: b, 14: c, 15: d}
}

var (
	alice = v4(192, 0, 2, 7)
	bob   = v4(198, 51, 100, 9)
	mine  = v4(203, 0, 113, 1)
	other = v4(203, 0, 113, 99)
)

func tcp(ports ...uint16) (seq []Port) {
	for _, p := range ports {
		seq = append(seq, Port{p, TCP})
	}
	return seq
}

func udp(ports ...uint16) (seq []Port) {
	for _, p := range ports {
		seq = append(seq, Port{p, UDP})
	}
	return seq
}

// ssh is the door of knockd's manual: three SYNs in five seconds.
func ssh(ports ...uint16) Door {
	return Door{Sequence: tcp(ports...), Flags: Flags{Set: SYN}, Timeout: 5 * time.Second}
}

func syn(src Addr, port uint16) Packet {
	return Packet{Src: src, Dst: mine, Port: Port{port, TCP}, Flags: SYN, Local: true}
}

func dgram(src Addr, port uint16) Packet {
	return Packet{Src: src, Dst: mine, Port: Port{port, UDP}, Local: true}
}

func newMatcher(t testing.TB, attempts int, doors ...Door) *Matcher {
	t.Helper()
	m, err := New(doors, attempts, Key{0x5eed, 42})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// words writes events in short: door letter, kind, stage; "a1 a2 a3 a!" is an
// opening of door a, "a~2" a timeout at stage 2, "a-" one in its cooldown.
func words(evs []Event) string {
	var s []string
	for _, ev := range evs {
		door := string(rune('a' + ev.Door))
		switch ev.Kind {
		case Stage:
			s = append(s, fmt.Sprint(door, ev.Stage))
		case Open:
			s = append(s, door+"!")
		case Cooled:
			s = append(s, door+"-")
		case Timeout:
			s = append(s, fmt.Sprint(door, "~", ev.Stage))
		}
	}
	return strings.Join(s, " ")
}

func TestPacket(t *testing.T) {
	type in struct {
		at   Time
		p    Packet
		want string
	}
	synack := func(p Packet) Packet { p.Flags = SYN | ACK; return p }
	ack := func(p Packet) Packet { p.Flags = ACK; return p }
	to := func(dst Addr, local bool, p Packet) Packet { p.Dst, p.Local = dst, local; return p }
	udpSSH := func(seq ...Port) Door { return Door{Sequence: seq, Flags: Flags{Set: SYN}, Timeout: 5 * time.Second} }

	for _, tt := range []struct {
		name  string
		doors []Door
		in    []in
	}{
		{"opens", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 8000), "a2"}, {2, syn(alice, 9000), "a3 a!"},
		}},
		{"opens again", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 8000), "a2 a!"},
			{2, syn(alice, 7000), "a1"}, {3, syn(alice, 8000), "a2 a!"},
		}},
		{"one knock", []Door{ssh(7000)}, []in{{0, syn(alice, 7000), "a1 a!"}, {1, syn(alice, 7000), "a1 a!"}}},
		{"wrong order", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 9000), ""}, {2, syn(alice, 8000), ""}, {3, syn(alice, 9000), ""},
		}},
		{"wrong knock begins anew", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 8000), "a2"}, {2, syn(alice, 7000), "a1"},
			{3, syn(alice, 8000), "a2"}, {4, syn(alice, 9000), "a3 a!"},
		}},
		{"retransmissions", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 7000), ""}, {2, syn(alice, 8000), "a2"},
			{3, syn(alice, 8000), ""}, {4, syn(alice, 8000), ""}, {5, syn(alice, 9000), "a3 a!"}, {6, syn(alice, 9000), ""},
		}},
		{"late retransmission of an earlier step", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 8000), "a2"}, {2, syn(alice, 7000), "a1"}, {3, syn(alice, 9000), ""},
		}},
		{"repeated port advances", []Door{{Sequence: udp(15637, 15637), Timeout: time.Second}}, []in{
			{0, dgram(alice, 15637), "a1"}, {1, dgram(alice, 15637), "a2 a!"},
		}},
		{"repeat then next", []Door{ssh(1, 1, 2)}, []in{
			{0, syn(alice, 1), "a1"}, {1, syn(alice, 1), "a2"}, {2, syn(alice, 1), ""}, {3, syn(alice, 2), "a3 a!"},
		}},
		{"first equals third", []Door{ssh(3000, 2000, 3000)}, []in{
			{0, syn(alice, 3000), "a1"}, {1, syn(alice, 2000), "a2"}, {2, syn(alice, 3000), "a3 a!"},
		}},
		{"sources do not mix", []Door{ssh(7000, 8000, 9000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(bob, 7000), "a1"}, {2, syn(bob, 9000), ""},
			{3, syn(alice, 8000), "a2"}, {4, syn(bob, 8000), ""}, {5, syn(alice, 9000), "a3 a!"},
		}},
		{"shared prefix", []Door{ssh(1, 2, 3), ssh(1, 2, 4)}, []in{
			{0, syn(alice, 1), "a1 b1"}, {1, syn(alice, 2), "a2 b2"}, {2, syn(alice, 4), "b3 b!"}, {3, syn(alice, 3), "a3 a!"},
		}},
		{"equal sequences", []Door{ssh(1, 2), ssh(1, 2)}, []in{
			{0, syn(alice, 1), "a1 b1"}, {1, syn(alice, 2), "a2 a! b2 b!"},
		}},
		{"two doors in turns", []Door{ssh(1, 2, 3), ssh(4, 5, 6)}, []in{
			{0, syn(alice, 1), "a1"}, {1, syn(alice, 4), "b1"}, {2, syn(alice, 2), "a2"},
			{3, syn(alice, 5), "b2"}, {4, syn(alice, 3), "a3 a!"}, {5, syn(alice, 6), "b3 b!"},
		}},
		{"one door out of order, another in order", []Door{ssh(1, 2, 3), ssh(3, 2, 1)}, []in{
			{0, syn(alice, 3), "b1"}, {1, syn(alice, 2), "b2"}, {2, syn(alice, 1), "a1 b3 b!"}, {3, syn(alice, 2), "a2"},
			{4, syn(alice, 1), "a1"}, {5, syn(alice, 3), "b1"}, {6, syn(alice, 2), "b2"},
		}},
		{"another door while one is in flight", []Door{ssh(1, 2, 3), ssh(2, 3)}, []in{
			{0, syn(alice, 1), "a1"}, {1, syn(alice, 2), "a2 b1"}, {2, syn(alice, 3), "a3 a! b2 b!"},
		}},
		{"flags that do not match are no wrong knock", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, ack(syn(alice, 7000)), ""}, {2, ack(syn(alice, 8000)), ""}, {3, syn(alice, 8000), "a2 a!"},
		}},
		{"syn accepts syn+ack", []Door{ssh(7000)}, []in{{0, synack(syn(alice, 7000)), "a1 a!"}}},
		{"cleared flag", []Door{{Sequence: tcp(7000), Flags: Flags{Set: SYN, Clear: ACK}, Timeout: time.Second}}, []in{
			{0, synack(syn(alice, 7000)), ""}, {1, syn(alice, 7000), "a1 a!"},
		}},
		{"no flags: any TCP packet", []Door{{Sequence: tcp(7000), Timeout: time.Second}}, []in{{0, ack(syn(alice, 7000)), "a1 a!"}}},
		{"flags do not bind UDP", []Door{udpSSH(Port{53, UDP}, Port{80, TCP})}, []in{
			{0, dgram(alice, 53), "a1"}, {1, syn(alice, 80), "a2 a!"},
		}},
		{"same number, other protocol", []Door{udpSSH(Port{53, UDP}, Port{80, TCP}), ssh(53)}, []in{
			{0, dgram(alice, 53), "a1"}, {1, syn(alice, 53), "b1 b!"}, {2, syn(alice, 80), "a2 a!"},
		}},
		{"ports of no door", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, syn(alice, 22), ""}, {2, dgram(alice, 8000), ""}, {3, syn(alice, 8000), "a2 a!"},
		}},
		{"not for this machine", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {1, to(other, false, syn(alice, 8000)), ""}, {2, syn(alice, 8000), "a2 a!"},
		}},
		{"target", []Door{{Sequence: tcp(7000, 8000), Timeout: time.Second, Target: other}}, []in{
			{0, syn(alice, 7000), ""}, {1, to(other, false, syn(alice, 7000)), "a1"},
			{2, syn(alice, 7000), ""}, {3, to(other, false, syn(alice, 8000)), "a2 a!"},
		}},
		{"target, a network", []Door{{Sequence: tcp(7000, 8000), Timeout: time.Second, Target: v4(198, 51, 100, 0), Wide: 8}}, []in{
			{0, syn(alice, 7000), ""}, {1, to(v4(198, 51, 100, 7), false, syn(alice, 7000)), "a1"},
			{2, to(v4(198, 51, 101, 7), false, syn(alice, 8000)), ""}, {3, to(v4(198, 51, 100, 9), false, syn(alice, 8000)), "a2 a!"},
		}},
		{"too late", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {5 * sec, syn(alice, 8000), "a~1"}, {6 * sec, syn(alice, 8000), ""},
		}},
		{"just in time", []Door{ssh(7000, 8000)}, []in{
			{0, syn(alice, 7000), "a1"}, {5*sec - 1, syn(alice, 8000), "a2 a!"},
		}},
		{"time runs from the first knock", []Door{ssh(1, 2, 3)}, []in{
			{0, syn(alice, 1), "a1"}, {4 * sec, syn(alice, 2), "a2"}, {5 * sec, syn(alice, 3), "a~2"},
		}},
		{"late first knock begins anew", []Door{ssh(1, 2)}, []in{
			{0, syn(alice, 1), "a1"}, {5 * sec, syn(alice, 1), "a~1 a1"}, {6 * sec, syn(alice, 2), "a2 a!"},
		}},
		{"cooldown", []Door{{Sequence: udp(9), Timeout: time.Second, Cooldown: time.Minute}}, []in{
			{0, dgram(alice, 9), "a1 a!"}, {59 * sec, dgram(bob, 9), "a1 a-"}, {60 * sec, dgram(alice, 9), "a1 a!"},
		}},
		{"no sequence", []Door{{}, ssh(7000)}, []in{{0, syn(alice, 7000), "b1 b!"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMatcher(t, 0, tt.doors...)
			for i, in := range tt.in {
				if got := words(m.Packet(in.at, &in.p)); got != in.want {
					t.Fatalf("packet %d (port %d at %v): %q, want %q", i, in.p.Port.Number, in.at, got, in.want)
				}
			}
		})
	}
}

func TestEventNamesSource(t *testing.T) {
	m := newMatcher(t, 0, ssh(1))
	p := syn(bob, 1)
	for _, ev := range m.Packet(0, &p) {
		if ev.Src != bob {
			t.Errorf("%+v: source is not the sender", ev)
		}
	}
}

// TestExpire checks that a timeout is due without another packet, at its time
// and once.
func TestExpire(t *testing.T) {
	m := newMatcher(t, 0, ssh(1, 2, 3))
	p := syn(alice, 1)
	m.Packet(sec, &p)
	p = syn(alice, 2)
	m.Packet(2*sec, &p)
	if _, ok := m.Expire(6*sec - 1); ok {
		t.Fatal("expired early")
	}
	if next := m.Next(); next > 6*sec+tick {
		t.Fatalf("Next = %v, want at most a tick after the deadline", next)
	}
	ev, ok := m.Expire(6*sec + tick)
	if !ok || words([]Event{ev}) != "a~2" || ev.Src != alice {
		t.Fatalf("Expire = %+v, %v; want the timeout at stage 2", ev, ok)
	}
	if _, ok := m.Expire(7 * sec); ok {
		t.Error("expired twice")
	}
	if m.Next() != Never || m.InFlight() != 0 {
		t.Errorf("after the timeout: Next %v, %d in flight", m.Next(), m.InFlight())
	}
}

// TestFullTable lets the oldest attempt give way, and none that is further along.
func TestFullTable(t *testing.T) {
	const size = 8
	m := newMatcher(t, size, ssh(1, 2, 3))
	source := func(i int) Addr { return v4(10, 0, 0, byte(i)) }
	knock := func(i int, port uint16) string {
		p := syn(source(i), port)
		return words(m.Packet(0, &p))
	}
	for i := range size {
		knock(i, 1)
	}
	knock(0, 2) // the oldest is further along than the others
	knock(100, 1)
	if got := knock(1, 2); got != "" {
		t.Errorf("the oldest first-stage attempt did not give way: %q", got)
	}
	if got := knock(0, 3); got != "a3 a!" {
		t.Errorf("an attempt further along was lost: %q", got)
	}
	if s := m.Stats(); s.Evicted != 1 {
		t.Errorf("%d evicted, want 1", s.Evicted)
	}
}

// TestFullOfLaterStages fills the half that attempts further along may have:
// the one gives way that has not advanced for longest, and a new one still finds
// its place.
func TestFullOfLaterStages(t *testing.T) {
	const size = 8
	m := newMatcher(t, size, ssh(1, 2, 3, 4))
	knock := func(i int, ports ...uint16) (got string) {
		for _, port := range ports {
			p := syn(v4(10, 0, 0, byte(i)), port)
			got = words(m.Packet(0, &p))
		}
		return got
	}
	for i := range size / 2 {
		knock(i, 1, 2)
	}
	knock(0, 3) // the oldest advances
	for i := range size / 2 {
		knock(10+i, 1)
	}
	if s := m.Stats(); s.Evicted != 0 || m.InFlight() != size {
		t.Fatalf("%d evicted, %d in flight, want 0, %d", s.Evicted, m.InFlight(), size)
	}
	knock(10, 2)
	if got := knock(1, 3); got != "" {
		t.Errorf("the attempt that did not advance for longest is there: %q", got)
	}
	if got := knock(0, 4); got != "a4 a!" {
		t.Errorf("the one that advanced is lost: %q", got)
	}
	if got := knock(20, 1, 2, 3, 4); got != "a4 a!" {
		t.Errorf("no room for a new one: %q", got)
	}
}

// TestGuarantee floods a matcher with every kind of attempt between the knocks of
// an honest one: as many as half of the table, less one, do not end it.
func TestGuarantee(t *testing.T) {
	const size = 64
	for _, flood := range [][]uint16{{1}, {1, 2}, {1, 2, 3}} {
		m := newMatcher(t, size, ssh(1, 2, 3, 4))
		n := 0
		send := func(src Addr, port uint16) []Event { p := syn(src, port); return m.Packet(0, &p) }
		attack := func(packets int) {
			for range packets {
				send(v4(10, 0, byte(n/len(flood)>>8), byte(n/len(flood))), flood[n%len(flood)])
				n++
			}
		}
		attack(10 * size)
		var evs []Event
		for _, port := range []uint16{1, 2, 3, 4} {
			attack(size/2 - 1)
			evs = send(alice, port)
		}
		if words(evs) != "a4 a!" {
			t.Errorf("flood of %v: %q", flood, words(evs))
		}
	}
}

func TestSetSequence(t *testing.T) {
	m := newMatcher(t, 0, ssh(1, 2), ssh(1, 3))
	send := func(port uint16) string { p := syn(alice, port); return words(m.Packet(0, &p)) }
	send(1)
	if err := m.SetSequence(0, tcp(5, 6)); err != nil {
		t.Fatal(err)
	}
	if m.InFlight() != 1 {
		t.Errorf("%d in flight, want the other door's attempt alone", m.InFlight())
	}
	if got := send(2); got != "" {
		t.Errorf("old sequence still matched: %q", got)
	}
	if got := send(3); got != "b2 b!" {
		t.Errorf("the other door's attempt was lost: %q", got)
	}
	if got := send(5) + " " + send(6); got != "a1 a2 a!" {
		t.Errorf("new sequence: %q", got)
	}
	if err := m.SetSequence(0, nil); err != nil {
		t.Fatal(err)
	}
	if got := send(5) + send(6); got != "" {
		t.Errorf("a door without a sequence took knocks: %q", got)
	}
	if err := m.SetSequence(0, tcp(0)); err == nil {
		t.Error("port 0 was accepted")
	}
}

func TestStats(t *testing.T) {
	m := newMatcher(t, 0, ssh(1, 2, 3))
	for _, port := range []uint16{1, 3, 22, 1, 2, 3} {
		p := syn(alice, port)
		m.Packet(0, &p)
	}
	foreign := syn(alice, 1)
	foreign.Dst, foreign.Local = other, false
	m.Packet(0, &foreign)
	want := Stats{Knocks: 5, Wrong: 1, Openings: 1}
	if got := m.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	long := make([]uint16, MaxSequence+1)
	for i := range long {
		long[i] = 1
	}
	for _, tt := range []struct {
		name     string
		doors    []Door
		attempts int
		want     string
	}{
		{"long sequence", []Door{ssh(long...)}, 0, "door 0: 33 knocks"},
		{"port 0", []Door{ssh(1), ssh(0)}, 0, "door 1: no knock can be sent to port 0/tcp"},
		{"protocol", []Door{{Sequence: []Port{{1, 1}}, Timeout: 1}}, 0, "port 1/"},
		{"no time", []Door{{Sequence: tcp(1, 2)}}, 0, "no time"},
		{"doors", make([]Door, 1<<16), 0, "65536 doors"},
		{"attempts", nil, -1, "-1 attempts"},
	} {
		if _, err := New(tt.doors, tt.attempts, Key{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestFlags(t *testing.T) {
	flagged := func(seq []Port, f Flags) Door { return Door{Sequence: seq, Flags: f, Timeout: time.Second} }
	for _, tt := range []struct {
		name  string
		doors []Door
		want  Flags
	}{
		{"all ask for SYN", []Door{ssh(1), ssh(2)}, Flags{Set: SYN}},
		{"in common", []Door{flagged(tcp(1), Flags{Set: SYN, Clear: ACK | FIN}), flagged(tcp(2), Flags{Set: SYN | PSH, Clear: ACK})}, Flags{Set: SYN, Clear: ACK}},
		{"one does not care", []Door{ssh(1), flagged(tcp(2), Flags{})}, Flags{}},
		{"UDP doors have no say", []Door{ssh(1), flagged(udp(2), Flags{})}, Flags{Set: SYN}},
		{"no TCP door", []Door{flagged(udp(2), Flags{Set: SYN})}, Flags{}},
	} {
		if got := newMatcher(t, 0, tt.doors...).Flags(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestTableSize checks the sizes that the documentation gives.
func TestTableSize(t *testing.T) {
	m := newMatcher(t, 0, ssh(1, 2))
	bytes := len(m.attempts)*int(unsafe.Sizeof(m.attempts[0])) + len(m.buckets)*4 +
		len(m.wheel.timers)*int(unsafe.Sizeof(m.wheel.timers[0])) + int(unsafe.Sizeof(*m.wheel))
	if bytes > 1<<20 {
		t.Errorf("the attempts take %d bytes, more than 1 MiB", bytes)
	}
}

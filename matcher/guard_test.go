package matcher

import (
	"testing"
	"time"
)

const decoy = 5000

func guarded(t testing.TB, lockout time.Duration, doors ...Door) *Matcher {
	t.Helper()
	m := newMatcher(t, 0, doors...)
	m.SetDecoys(NewGuard(lockout, Key{7, 8}), append(tcp(decoy), udp(decoy)...))
	return m
}

// at sends a packet and returns the events in short; "scan" is that event.
func at(m *Matcher, now Time, p Packet) (got string) {
	evs := m.Packet(now, &p)
	if len(evs) == 1 && evs[0] == (Event{Src: p.Src, Kind: Scan}) {
		return "scan"
	}
	return words(evs)
}

// TestLockout ignores a source that touched a decoy, for as long as it is set.
func TestLockout(t *testing.T) {
	m := guarded(t, time.Minute, ssh(1, 2))
	if got := at(m, 0, syn(alice, decoy)); got != "scan" {
		t.Errorf("the first touch: %q", got)
	}
	if got := at(m, 60*sec-1, syn(alice, 1)); got != "" {
		t.Errorf("heard while it is ignored: %q", got)
	}
	if got := at(m, 59*sec, syn(bob, 1)); got != "a1" {
		t.Errorf("another source is not heard: %q", got)
	}
	if got := at(m, 60*sec, syn(alice, 1)); got != "a1" {
		t.Errorf("not heard when its time is over: %q", got)
	}
	if s := m.Stats(); s.Decoys != 1 || s.Ignored != 1 {
		t.Errorf("%+v", s)
	}
}

// TestTouchAgain makes it longer, and leads to no second event.
func TestTouchAgain(t *testing.T) {
	m := guarded(t, time.Minute, ssh(1, 2))
	at(m, 0, syn(alice, decoy))
	if got := at(m, 40*sec, syn(alice, decoy)); got != "" {
		t.Errorf("a second event: %q", got)
	}
	if got := at(m, 70*sec, syn(alice, 1)); got != "" {
		t.Errorf("heard 30 s after the last touch: %q", got)
	}
	if got := at(m, 100*sec, syn(alice, decoy)); got != "scan" {
		t.Errorf("a touch later: %q", got)
	}
}

// TestLockoutOff ends the attempts alone.
func TestLockoutOff(t *testing.T) {
	m := guarded(t, 0, ssh(1, 2, 3))
	at(m, sec, syn(alice, 1))
	at(m, sec, syn(alice, 2))
	if got := at(m, sec, syn(alice, decoy)); got != "scan" {
		t.Errorf("the touch: %q", got)
	}
	if got := at(m, sec, syn(alice, decoy)); got != "" {
		t.Errorf("the second: %q", got)
	}
	if got := at(m, sec, syn(alice, 3)); got != "" {
		t.Errorf("the attempt went on: %q", got)
	}
	for port, want := range map[uint16]string{1: "a1"} {
		if got := at(m, 2*sec, syn(alice, port)); got != want {
			t.Errorf("a new attempt: %q", got)
		}
	}
}

// TestNeighbours ends attempts of a network from which several addresses scan,
// without ignoring who shares it. One scanner alone hinders no neighbour.
func TestNeighbours(t *testing.T) {
	six := func(network, host byte) Addr { return Addr{0: 0x20, 1: 1, 7: network, 8: host} }
	for _, tt := range []struct {
		name   string
		honest Addr
		scans  []Addr
		ends   bool
	}{
		{"one of the /24", v4(192, 0, 2, 7), []Addr{v4(192, 0, 2, 200), v4(192, 0, 2, 200)}, false},
		{"two of the /24", v4(192, 0, 2, 7), []Addr{v4(192, 0, 2, 200), v4(192, 0, 2, 201)}, true},
		{"another and one of the /24", v4(192, 0, 2, 7), []Addr{v4(192, 0, 3, 7), v4(192, 0, 2, 9)}, false},
		{"two of another /24", v4(192, 0, 2, 7), []Addr{v4(192, 0, 3, 7), v4(192, 0, 3, 9)}, false},
		{"two of the /64", six(1, 7), []Addr{six(1, 9), six(1, 8)}, true},
		{"one of the /64", six(1, 7), []Addr{six(1, 9)}, false},
		{"two of another /64", six(1, 7), []Addr{six(2, 9), six(2, 8)}, false},
	} {
		m := guarded(t, time.Minute, ssh(1, 2))
		at(m, sec, syn(tt.honest, 1))
		for _, src := range tt.scans {
			at(m, 2*sec, syn(src, decoy))
		}
		want := "a2 a!"
		if tt.ends {
			want = ""
		}
		if got := at(m, 3*sec, syn(tt.honest, 2)); got != want {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
		at(m, 4*sec, syn(tt.honest, 1))
		if got := at(m, 4*sec, syn(tt.honest, 2)); got != "a2 a!" {
			t.Errorf("%s: an attempt after the touches: %q", tt.name, got)
		}
	}
}

// TestNeighboursOver takes a network for one that shares a scan for a minute
// after the last change of the scanner.
func TestNeighboursOver(t *testing.T) {
	m := guarded(t, time.Second, ssh(1, 2))
	ends := func(now Time, scans Addr) bool {
		at(m, now, syn(alice, 1))
		at(m, now+sec/2, syn(scans, decoy))
		return at(m, now+sec, syn(alice, 2)) == ""
	}
	one, two := v4(192, 0, 2, 200), v4(192, 0, 2, 201)
	for _, tt := range []struct {
		now   Time
		scans Addr
		ends  bool
	}{{10 * sec, one, false}, {20 * sec, two, true}, {70 * sec, two, true}, {90 * sec, two, false}, {200 * sec, one, false}, {210 * sec, two, true}} {
		if got := ends(tt.now, tt.scans); got != tt.ends {
			t.Errorf("at %d s an attempt of a neighbour ends: %v", tt.now/sec, got)
		}
	}
}

// TestLockoutChanges holds for sources that are ignored already.
func TestLockoutChanges(t *testing.T) {
	m := guarded(t, time.Hour, ssh(1, 2))
	at(m, sec, syn(alice, decoy))
	m.guard.Lockout = 10 * time.Second
	if got := at(m, 5*sec, syn(alice, 1)); got != "" {
		t.Errorf("heard after 4 of 10 s: %q", got)
	}
	if got := at(m, 12*sec, syn(alice, 1)); got != "a1" {
		t.Errorf("not heard after 11 of 10 s: %q", got)
	}
}

// TestTouchAtTargetNetwork counts touches at every address of a door's network.
func TestTouchAtTargetNetwork(t *testing.T) {
	d := ssh(1, 2)
	d.Target, d.Wide = v4(203, 0, 113, 0), 8
	m := guarded(t, time.Minute, d)
	p := syn(alice, decoy)
	p.Local, p.Dst = false, v4(203, 0, 113, 9)
	if got := at(m, sec, p); got != "scan" {
		t.Errorf("%q", got)
	}
}

// TestSpoiltTimeout says nothing of the end of an attempt that a decoy ended.
func TestSpoiltTimeout(t *testing.T) {
	m := guarded(t, time.Minute, ssh(1, 2))
	at(m, sec, syn(alice, 1))
	at(m, sec, syn(bob, 1))
	at(m, 2*sec, syn(alice, decoy))
	if got := words(expireAll(m, 20*sec)); got != "a~1" || m.InFlight() != 0 {
		t.Errorf("%q, %d in flight, want the timeout of the other source alone", got, m.InFlight())
	}
}

// TestNoTouch are packets to a decoy that mean nothing: replies, and those for
// other machines.
func TestNoTouch(t *testing.T) {
	at1 := ssh(1, 2)
	at1.Target = other
	m := guarded(t, time.Minute, at1)
	forwarded := syn(alice, decoy)
	forwarded.Local, forwarded.Dst = false, v4(203, 0, 113, 50)
	for name, p := range map[string]Packet{
		"SYN+ACK":   {Src: alice, Dst: mine, Port: Port{decoy, TCP}, Flags: SYN | ACK, Local: true},
		"ACK":       {Src: alice, Dst: mine, Port: Port{decoy, TCP}, Flags: ACK, Local: true},
		"RST":       {Src: alice, Dst: mine, Port: Port{decoy, TCP}, Flags: RST, Local: true},
		"forwarded": forwarded,
	} {
		if got := at(m, 0, p); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	toTarget := syn(alice, decoy)
	toTarget.Local, toTarget.Dst = false, other
	if got := at(m, 0, toTarget); got != "scan" {
		t.Errorf("to a door's target: %q", got)
	}
	if got := at(m, 0, dgram(bob, decoy)); got != "scan" {
		t.Errorf("over UDP: %q", got)
	}
}

// TestGuardFull lets touches give way, and only to be heard again: whoever did
// not touch a decoy is never ignored.
func TestGuardFull(t *testing.T) {
	m := guarded(t, time.Minute, ssh(1, 2))
	for i := range 50000 {
		at(m, Time(i), syn(v4(10, byte(i>>16), byte(i>>8), byte(i)), decoy))
	}
	ignored := 0
	for i := range 50000 {
		if at(m, sec, syn(v4(10, byte(i>>16), byte(i>>8), byte(i)), 1)) == "" {
			ignored++
		}
		if got := at(m, sec, syn(v4(11, byte(i>>16), byte(i>>8), byte(i)), 1)); got != "a1" {
			t.Fatalf("an innocent source: %q", got)
		}
	}
	if ignored < guardSets*guardWays*9/10 || ignored > guardSets*guardWays {
		t.Errorf("%d sources are ignored, want about %d", ignored, guardSets*guardWays)
	}
}

func TestForgive(t *testing.T) {
	m := guarded(t, time.Minute, ssh(1, 2))
	at(m, 0, syn(alice, 1))
	at(m, 0, syn(alice, decoy))
	at(m, 0, syn(bob, decoy))
	m.Spare(Port{decoy, TCP})
	m.guard.Forgive(alice)
	if got := at(m, sec, syn(alice, 2)); got != "a2 a!" {
		t.Errorf("forgiven: %q", got)
	}
	if got := at(m, sec, syn(bob, 1)); got != "" {
		t.Errorf("not forgiven: %q", got)
	}
	if got := at(m, sec, syn(alice, decoy)); got != "" {
		t.Errorf("the port is a decoy still: %q", got)
	}
	if got := at(m, sec, dgram(alice, decoy)); got != "scan" {
		t.Errorf("that of the other protocol is none any more: %q", got)
	}
}

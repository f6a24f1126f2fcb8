package matcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// scanKind is an order of ports, and who sends to each.
type scanKind struct {
	name   string
	order  func(rnd *rand.Rand, ports []uint16)
	source func(rnd *rand.Rand, i, of int) int
}

func one(*rand.Rand, int, int) int { return 0 }

// scans are those of one machine, and of several of one network.
var scans = []scanKind{
	{"ascending", func(*rand.Rand, []uint16) {}, one},
	{"descending", func(_ *rand.Rand, ports []uint16) { slices.Reverse(ports) }, one},
	{"random", shuffle, one},
	{"ascending, by turns", func(*rand.Rand, []uint16) {}, func(_ *rand.Rand, i, of int) int { return i % of }},
	{"ascending, at random", func(*rand.Rand, []uint16) {}, func(rnd *rand.Rand, _, of int) int { return rnd.IntN(of) }},
	{"descending, at random", func(_ *rand.Rand, ports []uint16) { slices.Reverse(ports) }, func(rnd *rand.Rand, _, of int) int { return rnd.IntN(of) }},
	{"random, at random", shuffle, func(rnd *rand.Rand, _, of int) int { return rnd.IntN(of) }},
}

func shuffle(rnd *rand.Rand, ports []uint16) {
	rnd.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
}

// scan sends a SYN to every port, from of sources of one network, and reports
// whether a door opened. Only ports that a filter lets through count.
func (k *scanKind) scan(m *Matcher, rnd *rand.Rand, interesting []uint16, now Time, pause time.Duration, of int) bool {
	ports := slices.Clone(interesting)
	slices.Sort(ports)
	k.order(rnd, ports)
	for i, port := range ports {
		now += Time(pause)
		for {
			if _, ok := m.Expire(now); !ok {
				break
			}
		}
		p := syn(v4(198, 51, 100, byte(k.source(rnd, i, of))), port)
		for _, ev := range m.Packet(now, &p) {
			if ev.Kind == Open {
				return true
			}
		}
	}
	return false
}

// TestScans simulates 1,000 scans of all ports of each kind, in a burst and
// slowly, from one source and from several.
func TestScans(t *testing.T) {
	for _, k := range scans {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			opened, without := 0, 0
			for seed := range uint64(1000) {
				rnd := rand.New(rand.NewPCG(seed, 5))
				d := ssh(7000, 8000, 9000)
				if seed%2 == 1 {
					d = ssh(uint16(1100+rnd.IntN(60000)), uint16(1100+rnd.IntN(60000)), uint16(1100+rnd.IntN(60000)))
				}
				d.Timeout = 25 * time.Second
				pause := []time.Duration{0, 20 * time.Microsecond, 10 * time.Millisecond}[seed%3]
				of := []int{2, 3, 4, 8, 16}[seed%5]
				key := Key{seed, 99}
				decoys := DrawDecoys([]Door{d}, 256, key, anyPort)
				ports := numbers(append(slices.Clone(decoys), d.Sequence...))

				m := newMatcher(t, 64, d)
				if k.scan(m, rand.New(rand.NewPCG(seed, 6)), ports, sec, pause, of) {
					without++
				}
				m = newMatcher(t, 64, d)
				m.SetDecoys(NewGuard(time.Minute, key), decoys)
				if k.scan(m, rand.New(rand.NewPCG(seed, 6)), ports, sec, pause, of) {
					opened++
				}
			}
			t.Logf("opened: %d of 1,000, %d without decoys", opened, without)
			if opened > 0 {
				t.Errorf("%d of 1,000 scans opened the door", opened)
			}
			if without == 0 {
				t.Error("none would have opened it without decoys either: the test shows nothing")
			}
		})
	}
}

func numbers(ports []Port) (list []uint16) {
	for _, p := range ports {
		list = append(list, p.Number)
	}
	return list
}

// TestHonestAmongDecoys knocks as clients do, with retransmissions and packets
// that overtake each other after other ones, and other connections from the same
// address.
func TestHonestAmongDecoys(t *testing.T) {
	d := ssh(7000, 8000, 9000)
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		m := newMatcher(t, 64, d)
		services := []uint16{22, 80, 443, 1194, 8080, 25565}
		m.SetDecoys(NewGuard(time.Minute, Key{seed, 1}), DrawDecoys([]Door{d}, 256, Key{seed, 2}, func(p Port) bool {
			return !slices.Contains(services, p.Number)
		}))
		now, opened := Time(sec), 0
		send := func(p Packet) {
			for _, ev := range m.Packet(now, &p) {
				if ev.Kind == Open {
					opened++
				}
			}
		}
		for _, port := range []uint16{7000, 8000, 9000} {
			for range 1 + rnd.IntN(3) {
				send(syn(alice, port))
				now += Time(rnd.IntN(5)) * Time(time.Millisecond)
				send(syn(alice, services[rnd.IntN(len(services))]))
				reply := syn(alice, uint16(firstDecoy+rnd.IntN(64000)))
				reply.Flags |= ACK
				send(reply)
				send(syn(bob, uint16(rnd.IntN(65536)))) // somebody scans
			}
			now += Time(rnd.IntN(300)) * Time(time.Millisecond)
		}
		if opened == 0 {
			t.Errorf("seed %d: the knock did not open", seed)
		}
	}
}

func ExampleDrawDecoys() {
	door := Door{Sequence: []Port{{7000, TCP}, {8000, TCP}, {9000, TCP}}}
	listening := func(p Port) bool { return p.Number == 7001 }
	fmt.Println(DrawDecoys([]Door{door}, 0, Key{}, func(p Port) bool { return !listening(p) }))
	// Output: [{6999 tcp} {7999 tcp} {8001 tcp} {8999 tcp} {9001 tcp}]
}

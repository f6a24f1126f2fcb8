package matcher

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// fill puts one first-stage attempt of a different source into each place.
func fill(m *Matcher, n int, d Door) {
	for i := range n {
		p := Packet{Src: v4(10, byte(i>>16), byte(i>>8), byte(i)), Dst: mine, Port: d.Sequence[0], Flags: SYN, Local: true}
		m.Packet(0, &p)
	}
}

func manyDoors(n int) []Door {
	doors := make([]Door, n)
	for i := range doors {
		doors[i] = ssh(uint16(10000+i), uint16(20000+i), uint16(30000+i))
		doors[i].Timeout = time.Hour
	}
	return doors
}

// TestNoAllocs sends every sort of packet to a full table: first knocks that
// make others give way, advances, repeats, wrong knocks, openings, timeouts.
func TestNoAllocs(t *testing.T) {
	doors := manyDoors(100)
	doors = append(doors, ssh(10000, 20000, 30000))
	m := newMatcher(t, 4096, doors...)
	m.SetDecoys(NewGuard(time.Minute, Key{1, 2}), tcp(5000))
	fill(m, 4096, doors[1])
	rnd := rand.New(rand.NewPCG(3, 4))
	now := Time(0)
	allocs := testing.AllocsPerRun(50000, func() {
		now += Time(rnd.IntN(1000)) * tick
		for {
			if _, ok := m.Expire(now); !ok {
				break
			}
		}
		d := &doors[rnd.IntN(3)]
		src := v4(192, 0, 2, byte(rnd.IntN(2)))
		for _, port := range d.Sequence[:1+rnd.IntN(3)] {
			p := Packet{Src: src, Dst: mine, Port: port, Flags: SYN, Local: true}
			m.Packet(now, &p)
		}
		decoy := syn(v4(10, 201, byte(rnd.IntN(256)), byte(rnd.IntN(256))), 5000)
		m.Packet(now, &decoy)
		p := Packet{Src: v4(10, byte(200+rnd.IntN(2)), byte(rnd.IntN(256)), byte(rnd.IntN(256))), Dst: mine, Port: doors[5].Sequence[0], Flags: SYN, Local: true}
		m.Packet(now, &p)
	})
	if allocs != 0 {
		t.Errorf("%v allocations a run, want 0", allocs)
	}
	if s := m.Stats(); s.Openings == 0 || s.Wrong == 0 || s.Evicted == 0 || s.Timeouts == 0 || s.Decoys == 0 || s.Ignored == 0 {
		t.Errorf("not every case was met: %+v", s)
	}
}

// BenchmarkFlood is the first knock of a new source in a full table: hash,
// eviction, a place, a timer.
func BenchmarkFlood(b *testing.B) {
	for _, doors := range []int{1, 1000} {
		b.Run(fmt.Sprintf("doors=%d", doors), func(b *testing.B) {
			ds := manyDoors(doors)
			m := newMatcher(b, 0, ds...)
			fill(m, DefaultAttempts, ds[0])
			p := syn(alice, 10000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Src = v4(10, byte(i>>16)|0x80, byte(i>>8), byte(i))
				m.Packet(Time(i), &p)
				m.Next()
			}
		})
	}
}

// BenchmarkSequence is a whole honest knock of three packets, a packet an
// operation, among attempts of other sources.
func BenchmarkSequence(b *testing.B) {
	for _, doors := range []int{1, 10, 100, 1000} {
		for _, attempts := range []int{0, DefaultAttempts - 1} {
			b.Run(fmt.Sprintf("doors=%d/attempts=%d", doors, attempts), func(b *testing.B) {
				ds := manyDoors(doors)
				m := newMatcher(b, 0, ds...)
				fill(m, attempts, ds[0])
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					p := Packet{Src: alice, Dst: mine, Port: ds[i/3%doors].Sequence[i%3], Flags: SYN, Local: true}
					m.Packet(Time(i), &p)
					m.Next()
				}
			})
		}
	}
}

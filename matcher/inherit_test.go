package matcher

import (
	"math/rand/v2"
	"testing"
)

// TestInherit lets a matcher whose doors stand in another order go on where
// one has come to, and compares it with one that was never replaced.
func TestInherit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	doors := []Door{ssh(1, 2, 3), ssh(2, 1), ssh(7, 7, 8, 9), ssh(3, 2, 1)}
	doors[1].Cooldown = 3e9
	for round := range 200 {
		// A full table shows that the oldest still gives way; but which one does
		// depends on the order of the doors.
		room, order, to := 8, []int{0, 1, 2, 3}, []int{0, 1, 2, 3}
		if round%2 == 0 {
			room, order, to = 64, []int{2, 0, 3, 1}, []int{1, 3, 0, 2}
		}
		old := newMatcher(t, room, doors...)
		now := Time(1)
		step := func(ms ...*Matcher) (all []string) {
			now += Time(rnd.Int64N(int64(sec)))
			p := syn(v4(192, 0, 2, byte(rnd.IntN(12))), []uint16{1, 2, 3, 7, 8, 9}[rnd.IntN(6)])
			for _, m := range ms {
				var evs []Event
				for {
					ev, ok := m.Expire(now)
					if !ok {
						break
					}
					evs = append(evs, ev)
				}
				evs = append(evs, m.Packet(now, &p)...)
				all = append(all, sortedWords(evs, m == ms[0], order))
			}
			return all
		}
		for range 30 {
			step(old)
		}
		var same []Door
		for _, i := range order {
			same = append(same, doors[i])
		}
		fresh, err := New(same, room, Key{9, 9})
		if err != nil {
			t.Fatal(err)
		}
		fresh.Inherit(old, to)
		if fresh.InFlight() != old.InFlight() {
			t.Fatalf("round %d: %d attempts, want %d", round, fresh.InFlight(), old.InFlight())
		}
		for range 60 {
			if w := step(old, fresh); w[0] != w[1] {
				t.Fatalf("round %d: the old one says %q, the new one %q", round, w[0], w[1])
			}
		}
	}
}

// sortedWords names doors as the old matcher does, in its order.
func sortedWords(evs []Event, old bool, order []int) string {
	var byDoor [4][]Event
	for _, ev := range evs {
		if !old {
			ev.Door = order[ev.Door]
		}
		byDoor[ev.Door] = append(byDoor[ev.Door], ev)
	}
	text := ""
	for _, evs := range byDoor {
		text += words(evs) + ";"
	}
	return text
}

// TestInheritSome leaves attempts behind of doors that are no more.
func TestInheritSome(t *testing.T) {
	old := newMatcher(t, 0, ssh(1, 2), ssh(3, 4))
	for _, port := range []uint16{1, 3} {
		p := syn(alice, port)
		old.Packet(0, &p)
	}
	m := newMatcher(t, 0, ssh(3, 4))
	m.Inherit(old, []int{-1, 0})
	p := syn(alice, 4)
	if got := words(m.Packet(1, &p)); got != "a2 a!" || m.InFlight() != 0 || old.InFlight() != 2 {
		t.Errorf("%q, %d in flight, %d of the old one", got, m.InFlight(), old.InFlight())
	}
	for i := range 3 {
		p := syn(v4(10, 0, 0, byte(i)), 1)
		old.Packet(2, &p)
	}
	small := newMatcher(t, 2, ssh(1, 2), ssh(3, 4))
	small.Inherit(old, []int{0, 1})
	if n := small.InFlight(); n != 2 {
		t.Errorf("%d attempts in a table of two", n)
	}
}

// TestInheritLater keeps to the half that attempts further along may have.
func TestInheritLater(t *testing.T) {
	old := newMatcher(t, 8, ssh(1, 2, 3))
	for i := range 4 {
		for _, port := range []uint16{1, 2} {
			p := syn(v4(10, 0, 0, byte(i)), port)
			old.Packet(0, &p)
		}
	}
	small := newMatcher(t, 4, ssh(1, 2, 3))
	small.Inherit(old, []int{0})
	if n := small.InFlight(); n != 2 {
		t.Errorf("%d attempts, want the two oldest of a table of four", n)
	}
	for i := range 4 {
		p := syn(v4(10, 0, 1, byte(i)), 1)
		if small.Packet(0, &p); small.InFlight() > 4 {
			t.Fatal("the table holds more than it can")
		}
	}
}

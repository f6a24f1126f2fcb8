package matcher

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const tick = Time(1) << tickShift

// naiveWheel is the wheel's meaning: a list of deadlines.
type naiveWheel map[int]Time

func (n naiveWheel) due(now Time) (ids []int) {
	for id, at := range n {
		if at <= now {
			ids = append(ids, id)
		}
	}
	return ids
}

func (n naiveWheel) earliest() Time {
	next := Never
	for _, at := range n {
		next = min(next, at)
	}
	return next
}

// TestWheelModel drives the wheel and a sorted list through the same random
// arms, cancels and jumps: nothing fires early, nothing a tick late, nothing
// twice, and Next is never later than the first deadline's tick.
func TestWheelModel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const timers = 64
		w, model := NewWheel(timers), naiveWheel{}
		now := Time(rnd.Int64N(1 << (10 + rnd.IntN(40))))
		for step := range 2000 {
			id := rnd.IntN(timers)
			switch rnd.IntN(4) {
			case 0, 1:
				// Spans from nanoseconds to years, and some in the past.
				at := now - 5 + Time(rnd.Int64N(1<<(4+rnd.IntN(52))))
				w.Arm(id, at)
				model[id] = at
			case 2:
				w.Cancel(id)
				delete(model, id)
			case 3:
				if rnd.IntN(3) == 0 {
					if len(model) > 0 {
						now = max(now, model.earliest())
					}
				} else {
					now += Time(rnd.Int64N(1 << (4 + rnd.IntN(48))))
				}
				checkExpiry(t, w, model, now)
			}
			if want := model.earliest(); want != Never && w.Next() >= want+tick {
				t.Fatalf("seed %d, step %d: Next %d, but a deadline is at %d", seed, step, w.Next(), want)
			}
			if len(model) == 0 && w.Next() != Never {
				t.Fatalf("seed %d, step %d: an empty wheel wants to be called at %d", seed, step, w.Next())
			}
		}
	}
}

func checkExpiry(t *testing.T, w *Wheel, model naiveWheel, now Time) {
	t.Helper()
	for {
		id, ok := w.Expire(now)
		if !ok {
			break
		}
		at, armed := model[id]
		if !armed {
			t.Fatalf("timer %d fired and is not armed", id)
		}
		if at > now {
			t.Fatalf("timer %d fired at %d, early for its deadline %d", id, now, at)
		}
		if _, armed := w.Deadline(id); armed {
			t.Fatalf("timer %d is still armed after it fired", id)
		}
		delete(model, id)
	}
	if late := model.due(now - tick); len(late) > 0 {
		t.Fatalf("timers %v are more than a tick late at %d", late, now)
	}
}

// TestWheelJump checks that one call after a long sleep hands out everything,
// whatever level it hung on.
func TestWheelJump(t *testing.T) {
	w := NewWheel(100)
	for id := range 60 {
		w.Arm(id, Time(1)<<id)
	}
	var got []int
	for {
		id, ok := w.Expire(Time(1) << 61)
		if !ok {
			break
		}
		got = append(got, id)
	}
	slices.Sort(got)
	if len(got) != 60 || got[59] != 59 {
		t.Errorf("after a jump past 60 deadlines %d timers fired: %v", len(got), got)
	}
	if w.Next() != Never {
		t.Errorf("the empty wheel wants to be called at %d", w.Next())
	}
}

func TestWheelFarDeadlines(t *testing.T) {
	w := NewWheel(2)
	w.Arm(0, Never)
	w.Arm(1, Time(150*365*24*time.Hour))
	if id, ok := w.Expire(Time(200 * 365 * 24 * time.Hour)); !ok || id != 1 {
		t.Errorf("Expire after 200 years = %d, %v; want timer 1", id, ok)
	}
	if id, ok := w.Expire(Never - 1); ok {
		t.Errorf("timer %d fired, which was armed for Never", id)
	}
}

// TestWheelPutOff checks that a lease renewed over and over fires once, at its
// last deadline.
func TestWheelPutOff(t *testing.T) {
	w := NewWheel(1)
	now := Time(0)
	for range 1000 {
		w.Arm(0, now+30*Time(time.Second))
		now += Time(time.Second)
		if _, ok := w.Expire(now); ok {
			t.Fatalf("fired at %d, although it was put off", now)
		}
	}
	now += 30 * Time(time.Second)
	if _, ok := w.Expire(now); !ok {
		t.Error("did not fire at its last deadline")
	}
	if _, ok := w.Expire(now); ok {
		t.Error("fired twice")
	}
}

func TestWheelNoAllocs(t *testing.T) {
	const timers = 1024
	w := NewWheel(timers)
	now, i := Time(0), 0
	allocs := testing.AllocsPerRun(10000, func() {
		w.Arm(i%timers, now+Time(i%7)*Time(time.Second))
		w.Cancel((i * 7) % timers)
		now += Time(time.Millisecond)
		w.Next()
		w.Expire(now)
		i++
	})
	if allocs != 0 {
		t.Errorf("%v allocations an operation, want 0", allocs)
	}
}

func BenchmarkWheelArmCancel(b *testing.B) {
	const pending = 65536
	w := NewWheel(pending + 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	for id := range pending {
		w.Arm(id, Time(rnd.Int64N(int64(time.Hour))))
	}
	at := make([]Time, 1024)
	for i := range at {
		at[i] = Time(rnd.Int64N(int64(time.Hour)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Arm(pending, at[i%len(at)])
		w.Cancel(pending)
	}
}

// BenchmarkWheelExpire is the whole life of a timer, from Arm to Expire, with
// 65,536 others pending.
func BenchmarkWheelExpire(b *testing.B) {
	const pending = 65536
	w := NewWheel(pending)
	step := Time(25*time.Second) / pending
	now := Time(0)
	for id := range pending {
		w.Arm(id, now+Time(25*time.Second))
		now += step
	}
	b.ReportAllocs()
	for b.Loop() {
		now += step
		for {
			id, ok := w.Expire(now)
			if !ok {
				break
			}
			w.Arm(id, now+Time(25*time.Second))
		}
	}
}

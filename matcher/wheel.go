package matcher

import "math/bits"

const (
	tickShift = 20 // a tick is 2^20 ns, 1.05 ms: the most by which a timer is late
	slotBits  = 6  // 64 slots a level, so that a level's occupied slots fit one word
	slotCount = 1 << slotBits
	levels    = (63 - tickShift + slotBits - 1) / slotBits // enough for every Time: nothing is clamped
)

// Wheel is a hierarchical timer wheel (Varghese and Lauck, "Hashed and
// Hierarchical Timing Wheels", 1987) for timers numbered 0 to n-1. It is
// passive: it reads no clock and starts nothing. Next says when to look again,
// Expire hands out what is due.
//
// A timer's deadline is the truth, the slot it hangs in only a hint: Expire
// compares the deadline again, so putting a timer off does not move it, and no
// timer is handed out early. It is late by less than one tick, 1.05 ms.
//
// Arm, Cancel and Next take constant time, Expire constant time a timer when
// spread over a timer's life (a timer moves down at most once a level). Nothing
// allocates after NewWheel. A Wheel is not safe for concurrent use.
type Wheel struct {
	timers   []timer
	heads    [levels][slotCount]uint32 // first timer of each slot, as id+1
	occupied [levels]uint64            // bit s: slot s of the level is not empty
	tick     uint64                    // no timer hangs before this tick
}

// timer holds ids as id+1: a table never written to stays all zero and costs no
// memory before it is used.
type timer struct {
	at         Time
	next, prev uint32
	slot       uint16 // level*slotCount + slot + 1; 0: not armed
}

// NewWheel returns a wheel for timers 0 to n-1, none of them armed. It costs
// 24 bytes a timer and 2 kB.
func NewWheel(n int) *Wheel {
	return &Wheel{timers: make([]timer, n)}
}

// Arm sets the deadline of timer id, whether it is armed already or not. A
// deadline that has passed is due at once.
func (w *Wheel) Arm(id int, at Time) {
	t := &w.timers[id]
	if t.slot != 0 {
		if at >= t.at {
			t.at = at
			return
		}
		w.unlink(uint32(id))
	}
	t.at = at
	w.link(uint32(id))
}

// Cancel disarms timer id. A timer that is not armed stays so.
func (w *Wheel) Cancel(id int) {
	if w.timers[id].slot != 0 {
		w.unlink(uint32(id))
	}
}

// Deadline returns the deadline of timer id and whether the timer is armed.
func (w *Wheel) Deadline(id int) (Time, bool) {
	t := &w.timers[id]
	return t.at, t.slot != 0
}

// Next returns the instant at which Expire must be called again, or Never when
// no timer is armed. It is never later than one tick after the earliest
// deadline; it may be earlier, when timers have to move down a level.
func (w *Wheel) Next() Time {
	_, _, start, ok := w.first()
	if !ok || start > uint64(Never)>>tickShift {
		return Never
	}
	return Time(start << tickShift)
}

// Expire disarms and returns one timer whose deadline is now or earlier, and
// false when there is none. Call it until it says so.
func (w *Wheel) Expire(now Time) (id int, ok bool) {
	target := uint64(max(now, 0)) >> tickShift
	for {
		level, slot, start, ok := w.first()
		if !ok || start > target {
			w.tick = max(w.tick, target)
			return 0, false
		}
		w.tick = start
		if level > 0 {
			w.moveDown(level, slot)
			continue
		}
		id := w.heads[0][slot] - 1
		w.unlink(id)
		if w.due(id) > w.tick {
			w.link(id) // it was put off after it was armed
			continue
		}
		return int(id), true
	}
}

// first returns the occupied slot that begins earliest, and its first tick.
// Timers on a lower level share all higher digits of the tick with the
// present, so they come before every timer on a higher level.
func (w *Wheel) first() (level, slot int, start uint64, ok bool) {
	for level := range w.occupied {
		if m := w.occupied[level]; m != 0 {
			slot := bits.TrailingZeros64(m)
			shift := uint(level * slotBits)
			block := w.tick >> (shift + slotBits) << (shift + slotBits)
			return level, slot, block | uint64(slot)<<shift, true
		}
	}
	return 0, 0, 0, false
}

// moveDown hangs the timers of a slot that has begun onto lower levels.
func (w *Wheel) moveDown(level, slot int) {
	id := w.heads[level][slot]
	w.heads[level][slot] = 0
	w.occupied[level] &^= 1 << slot
	for id != 0 {
		next := w.timers[id-1].next
		w.link(id - 1)
		id = next
	}
}

// due returns the first tick that begins at or after the timer's deadline, but
// no tick that has gone by.
func (w *Wheel) due(id uint32) uint64 {
	at := uint64(max(w.timers[id].at, 0))
	return max((at+1<<tickShift-1)>>tickShift, w.tick)
}

// link hangs a timer into the slot of its deadline: on the level of the
// highest digit in which deadline and present differ.
func (w *Wheel) link(id uint32) {
	due := w.due(id)
	level := 0
	if diff := due ^ w.tick; diff != 0 {
		level = (bits.Len64(diff) - 1) / slotBits
	}
	slot := int(due>>(level*slotBits)) & (slotCount - 1)

	t := &w.timers[id]
	head := &w.heads[level][slot]
	t.slot = uint16(level*slotCount + slot + 1)
	t.prev, t.next = 0, *head
	if *head != 0 {
		w.timers[*head-1].prev = id + 1
	}
	*head = id + 1
	w.occupied[level] |= 1 << slot
}

func (w *Wheel) unlink(id uint32) {
	t := &w.timers[id]
	level, slot := int(t.slot-1)/slotCount, int(t.slot-1)%slotCount
	t.slot = 0
	if t.next != 0 {
		w.timers[t.next-1].prev = t.prev
	}
	if t.prev != 0 {
		w.timers[t.prev-1].next = t.next
		return
	}
	w.heads[level][slot] = t.next
	if t.next == 0 {
		w.occupied[level] &^= 1 << slot
	}
}

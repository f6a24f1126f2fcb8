package exec

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sesame/matcher"
)

// replayModel is what a state file tells, written down plainly.
type replayModel map[uint64]saved

func (m replayModel) apply(r record) {
	s, known := m[r.id]
	switch {
	case r.op == opOpen && !known:
		m[r.id] = saved{id: r.id, terms: r.terms, begun: r.end - matcher.Time(r.length)}
		return
	case !known || r.op == opOpen:
		return
	case r.op == opShut:
		delete(m, r.id)
		return
	case r.op == opEnds:
		s.end, s.wallEnd = r.end, r.wallEnd
	case r.op == opRuns:
		s.pid = r.pid
	}
	m[r.id] = s
}

func (m replayModel) sorted() []saved {
	return slices.SortedFunc(maps.Values(m), func(a, b saved) int { return cmp.Compare(a.id, b.id) })
}

// sorted returns the leases that a replay has found, in the order of their ids.
func (r *replay) sorted() (live []saved) {
	for _, s := range r.leases {
		if s.id != 0 {
			live = append(live, s)
		}
	}
	slices.SortFunc(live, func(a, b saved) int { return cmp.Compare(a.id, b.id) })
	return live
}

func randomRecord(rnd *rand.Rand) record {
	r := record{op: op(rnd.IntN(int(numOps))), id: uint64(1 + rnd.IntN(12))}
	second := func() int64 { return int64(time.Second) * rnd.Int64N(1e6) }
	switch r.op {
	case opOpen:
		r.terms = openRecord(r.id, source(rnd.IntN(5)), matcher.Time(second())).terms
		r.opened, r.length = second(), time.Duration(second())
	case opEnds:
		r.end, r.wallEnd = matcher.Time(second()), second()
	case opRuns:
		r.pid = 2 + rnd.IntN(1<<20)
	}
	return r
}

// TestReplayModel feeds random records, some of them damaged and some on one
// line with the next, to replay and to the model.
func TestReplayModel(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var told replay
		model, damaged, last := replayModel{}, 0, uint64(0)
		told.line([]byte(strings.TrimSuffix(stateHeader, "\n")))
		for range rnd.IntN(60) {
			r := randomRecord(rnd)
			b := []byte(lineOf(r))
			switch rnd.IntN(8) {
			case 0:
				b[rnd.IntN(len(b))] ^= 1
				damaged++
			case 1:
				next := randomRecord(rnd)
				b = append(append(b, 0), lineOf(next)...)
				model.apply(r)
				model.apply(next)
				last = max(last, r.id, next.id)
				damaged++
			default:
				model.apply(r)
				last = max(last, r.id)
			}
			told.line(b)
		}
		if got, want := told.sorted(), model.sorted(); !slices.Equal(got, want) || told.live != len(want) {
			t.Fatalf("seed %d: %d leases: %+v\nwant %d: %+v", seed, told.live, got, len(want), want)
		}
		if told.last < slices.MaxFunc(append(told.sorted(), saved{}), func(a, b saved) int { return cmp.Compare(a.id, b.id) }).id || told.last > last {
			t.Fatalf("seed %d: the highest id is %d, want at most %d", seed, told.last, last)
		}
		if got := len(told.damaged); got != min(damaged, maxDamage) {
			t.Fatalf("seed %d: %d damaged lines are told of, want %d", seed, got, damaged)
		}
	}
}

// TestDamageShown checks what is said of damage: enough to act on, and no more
// than a log can take.
func TestDamageShown(t *testing.T) {
	var told replay
	told.line([]byte(lineOf(openRecord(1, alice, 1e9))))
	told.line([]byte("\xff" + strings.Repeat("x", 1<<20)))
	for range 100 {
		told.line(nil)
	}
	if len(told.damaged) != maxDamage || told.damaged[0] != (damage{2, "?" + strings.Repeat("x", maxShown-1)}) {
		t.Errorf("%d lines, the first %+v", len(told.damaged), told.damaged[0])
	}
	if told.live != 1 {
		t.Errorf("%d leases", told.live)
	}
}

// TestMergedLines checks that records are found again when what was between
// them is damaged, and in their order.
func TestMergedLines(t *testing.T) {
	one, two := openRecord(1, alice, 1e9), openRecord(2, bob, 2e9)
	shut := record{op: opShut, id: 1}
	for _, c := range []struct {
		line string
		ids  []uint64
	}{
		{lineOf(one) + "\x0b" + lineOf(two), []uint64{1, 2}},
		{lineOf(one) + "\x00" + lineOf(two) + "\x00" + lineOf(shut), []uint64{2}},
		{lineOf(one)[:40] + lineOf(two), []uint64{2}},
		{strings.Repeat("\x00", 4096) + lineOf(two), []uint64{2}},
		{strings.TrimSuffix(stateHeader, "\n") + "\x1a" + lineOf(one), []uint64{1}},
		{lineOf(one) + "\x00", nil},
		{"00000000 00000000 00000000 ", nil},
	} {
		var told replay
		told.line([]byte(c.line))
		var ids []uint64
		for _, s := range told.sorted() {
			ids = append(ids, s.id)
		}
		if !slices.Equal(ids, c.ids) || len(told.damaged) != 1 {
			t.Errorf("%q: leases %v, want %v; %d damaged", c.line, ids, c.ids, len(told.damaged))
		}
	}
}

package exec

import (
	"bytes"

	"sesame/matcher"
)

// maxRecord is the longest line of a state file, in bytes. Linux runs no command
// longer than 128 KiB (execve(2), MAX_ARG_STRLEN), of which quoting makes four
// times as much at most.
const maxRecord = 2 << 20

// saved is a lease as a state file tells of it.
type saved struct {
	id uint64
	terms
	begun matcher.Time // when the start command was about to run
	pid   int          // of the start command; 0: not known to have run
}

// replay gathers what the lines of a state file say, one after the other. The
// zero value is ready.
type replay struct {
	leases  []saved // ids ascend; one that is shut has id 0
	byID    map[uint64]int
	lines   int
	records int
	live    int
	last    uint64 // the highest id
	damaged []damage
}

// damage is a line that is not as it was written.
type damage struct {
	line int
	text string
}

// maxDamage is how many damaged lines are kept to be shown, and maxShown how
// much of each.
const (
	maxDamage = 16
	maxShown  = 200
)

// owner is whose a file seems to be.
type owner uint8

const (
	ours  owner = iota
	blank       // zeros, which some file systems make of a file when the power fails
	foreign
)

// judge says whose a file is from a piece of it and what the pieces before it
// have said. A quarter of the header may be damaged.
func judge(before owner, at int64, b []byte) owner {
	if at == 0 {
		n, same, zeros := min(len(b), len(stateHeader)), 0, 0
		for i := range n {
			if b[i] == stateHeader[i] {
				same++
			} else if b[i] == 0 {
				zeros++
			}
		}
		switch {
		case zeros == n && n > 0:
			before = blank
		case same+zeros < n && same*4 < len(stateHeader)*3:
			return foreign
		}
	}
	// Images of disks begin with zeros too, but a state file is text.
	if before == blank && bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != 0 && r != '\n' }) {
		return foreign
	}
	return before
}

// line takes one line, without its newline.
func (r *replay) line(line []byte) {
	r.lines++
	if r.lines == 1 && string(line) == stateHeader[:len(stateHeader)-1] {
		return
	}
	if r.take(line) {
		return
	}
	if len(r.damaged) < maxDamage {
		r.damaged = append(r.damaged, damage{r.lines, string(bytes.ToValidUTF8(line[:min(len(line), maxShown)], []byte("?")))})
	}
	r.salvage(line)
}

// take applies a line if it is as it was written.
func (r *replay) take(line []byte) bool {
	rec, ok := parseRecord(string(line))
	if ok {
		r.records++
		r.apply(&rec)
	}
	return ok
}

// salvage looks in a damaged line for records that are whole: of two lines that
// have become one because the newline between them is damaged.
func (r *replay) salvage(line []byte) {
	for i := crcLen; i+crcLen <= len(line); i++ {
		if line[i+crcLen-1] != ' ' || !isHex(line[i:i+crcLen-1]) {
			continue
		}
		if _, ok := parseRecord(string(line[i:])); ok {
			if !r.take(line[:i-1]) {
				r.salvage(line[:i-1])
			}
			r.take(line[i:])
			return
		}
	}
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || '9' < c) && (c < 'a' || 'f' < c) {
			return false
		}
	}
	return true
}

func (r *replay) apply(rec *record) {
	if r.byID == nil {
		r.byID = map[uint64]int{}
	}
	i, known := r.byID[rec.id]
	switch {
	case rec.op == opOpen && !known:
		r.byID[rec.id] = len(r.leases)
		r.leases = append(r.leases, saved{id: rec.id, terms: rec.terms, begun: rec.end.Add(-rec.length)})
		r.live++
		r.last = max(r.last, rec.id)
	case !known:
		// Its first record was damaged, which has been said.
	case rec.op == opEnds:
		r.leases[i].end, r.leases[i].wallEnd = rec.end, rec.wallEnd
	case rec.op == opRuns:
		r.leases[i].pid = rec.pid
	case rec.op == opShut:
		r.leases[i] = saved{}
		delete(r.byID, rec.id)
		r.live--
	}
}

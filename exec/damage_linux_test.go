package exec

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sesame/matcher"
)

// damageRig writes a state file with some history and damages it.
type damageRig struct {
	t      *testing.T
	path   string
	whole  []byte
	now    Instant
	begins []int // of the lines that open a lease which is still open
	ends   []int
	stops  []string // of these leases
	all    []string // of every lease that was ever recorded
}

func newDamageRig(t *testing.T) *damageRig {
	t.Helper()
	path := filepath.Join(tmpfs(t, 32<<20), "state")
	r := newStateRig(t, DefaultOpen, path)
	sources := []matcher.Addr{alice, bob, carol, source(1)}
	for i, src := range sources {
		r.l.Open(r.at(), sshDoor("true", "echo stop %IP%"), src)
		r.idle()
		if i == 2 {
			r.l.Shut(r.at(), "", alice)
			r.idle()
		}
	}
	r.pass(10 * time.Second)
	r.l.Open(r.at(), sshDoor("true", "echo stop %IP%"), bob)
	d := &damageRig{t: t, path: path, now: r.at()}
	r.crash()
	var err error
	if d.whole, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	at := 0
	for l := range bytes.Lines(d.whole) {
		if rec, _ := parseRecord(strings.TrimSuffix(string(l), "\n")); rec.op == opOpen && rec.id != 0 {
			stop := Expand(rec.door.Stop, rec.src)
			d.all = append(d.all, stop)
			if rec.src != alice {
				d.begins, d.ends, d.stops = append(d.begins, at), append(d.ends, at+len(l)), append(d.stops, stop)
			}
		}
		at += len(l)
	}
	if len(d.stops) != 3 || len(d.all) != 4 {
		t.Fatalf("the file is not as the test needs it:\n%s", d.whole)
	}
	return d
}

// try starts a daemon with a file of which the bytes from begin to end are not
// what they were, and checks what comes of it.
func (d *damageRig) try(what string, data []byte, begin, end int) {
	d.t.Helper()
	if err := os.WriteFile(d.path, data, 0o600); err != nil {
		d.t.Fatal(err)
	}
	var log []string
	for _, when := range []string{"", " and another start"} {
		l, err := NewLeases(Settings{MaxOpen: 1, StateFile: d.path, Boot: "boot1", Log: func(line string) { log = append(log, line) }}, d.now)
		if err != nil {
			d.t.Fatalf("after %s at %d to %d%s: %v", what, begin, end, when, err)
		}
		left := l.Left()
		l.Close()
		d.cut(what, begin, end)
		for i, stop := range d.stops {
			if (end <= d.begins[i] || d.ends[i] <= begin) && !slices.Contains(left, stop) {
				d.t.Errorf("after %s at %d to %d%s: %q is forgotten, its record is whole", what, begin, end, when, stop)
			}
		}
		for _, stop := range left {
			if !slices.Contains(d.all, stop) {
				d.t.Errorf("after %s at %d to %d%s: %q was never recorded", what, begin, end, when, stop)
			}
		}
	}
	told := func(line string) bool {
		return strings.Contains(line, "is damaged") || strings.Contains(line, "was not written in full")
	}
	// A cut between lines does not show, and one before a newline costs nothing.
	quiet := bytes.HasPrefix(d.whole, data) && (begin == 0 || d.whole[begin] == '\n' || d.whole[begin-1] == '\n')
	if !slices.ContainsFunc(log, told) && !quiet {
		d.t.Errorf("after %s at %d to %d: the log does not tell: %q", what, begin, end, log)
	}
}

// cut checks that what a daemon appends does not become part of another line.
func (d *damageRig) cut(what string, begin, end int) {
	d.t.Helper()
	data, err := os.ReadFile(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	last := data[bytes.LastIndexByte(data, '\n')+1:]
	if _, whole := parseRecord(string(last)); len(last) > 0 && !whole {
		d.t.Errorf("after %s at %d to %d: the file still ends with %q", what, begin, end, last)
	}
}

// TestEachByteDamaged starts a daemon for every byte of its file that may have
// changed.
func TestEachByteDamaged(t *testing.T) {
	d := newDamageRig(t)
	for i := range d.whole {
		for _, v := range []byte{0, '\n', ' ', d.whole[i] ^ 1, d.whole[i] ^ 0x80} {
			if v == d.whole[i] {
				continue
			}
			data := slices.Clone(d.whole)
			data[i] = v
			d.try("another byte", data, i, i+1)
		}
	}
}

// TestTruncated starts a daemon with what is left of its file at every length.
func TestTruncated(t *testing.T) {
	d := newDamageRig(t)
	for n := range d.whole {
		d.try("a cut", d.whole[:n], n, len(d.whole))
	}
}

// TestZeroed starts a daemon with a file of which a part became zeros, as after
// a power failure: from its beginning, to its end, and blocks between.
func TestZeroed(t *testing.T) {
	d := newDamageRig(t)
	zero := func(begin, end int) {
		data := slices.Clone(d.whole)
		clear(data[begin:end])
		d.try("zeros", data, begin, end)
	}
	for i := range d.whole {
		zero(0, i+1)
		zero(i, len(d.whole))
		zero(i, min(i+64, len(d.whole)))
		d.try("zeros behind it", append(slices.Clone(d.whole), make([]byte, i+1)...), len(d.whole), len(d.whole)+i+1)
	}
	large := append(make([]byte, 3*maxRecord+5), d.whole...)
	d.try("many zeros before it", large, 0, 0)
	d.try("nothing but zeros", large[:2*maxRecord+7], 0, len(large))
}

// TestDamageMended checks that damage is told of once: the file is written
// anew, and the next daemon has nothing to complain of.
func TestDamageMended(t *testing.T) {
	d := newDamageRig(t)
	data := slices.Clone(d.whole)
	data[d.begins[0]+20] ^= 1
	if err := os.WriteFile(d.path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, DefaultOpen)
	r.now, r.wall, r.settings.StateFile = d.now.Now, d.now.Wall, d.path
	r.restart()
	if !r.logs("state file "+d.path+" line ") || r.l.Len() != 2 {
		t.Fatalf("%d leases, log %q", r.l.Len(), r.lines)
	}
	r.synced()
	r.restart()
	if r.logs("damaged") || r.l.Len() != 2 {
		t.Errorf("at the next start: %d leases, log %q", r.l.Len(), r.lines)
	}
	if told := replayed(t, d.path); told.live != 2 {
		t.Errorf("%d leases in the file", told.live)
	}
}

// TestHeaderDamaged does the same with a file without leases, which nothing but
// its header shows to be the daemon's.
func TestHeaderDamaged(t *testing.T) {
	d := newDamageRig(t)
	d.whole, d.begins, d.stops, d.all = []byte(stateHeader), nil, nil, nil
	for i := range d.whole {
		for _, v := range []byte{0, '\n', d.whole[i] ^ 1} {
			data := slices.Clone(d.whole)
			if data[i] = v; v != d.whole[i] {
				d.try("another byte", data, i, i+1)
			}
		}
		d.try("a cut", d.whole[:i], i, len(d.whole))
		zeros := slices.Clone(d.whole)
		clear(zeros[:i])
		d.try("zeros", zeros, 0, i)
	}
}

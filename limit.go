package main

import (
	"strconv"
	"time"

	"sesame/matcher"
)

// Lines that strangers can cause are limited by kind. Openings, commands and
// errors are not: they are none of these.
type lineKind uint8

const (
	firstStage lineKind = iota
	laterStage
	timedOut
	cooled
	scanned
	lineKinds // how many there are
)

var lineNames = [lineKinds]string{"Stage 1", "of later stages", "sequence timeouts", "not opened", "port scans"}

const (
	// limitLines of a kind are logged in limitTime: at most 6 kB a kind.
	limitLines = 100
	limitTime  = 10 * time.Second
)

// limiter decides which lines are logged. It allocates nothing for those that
// are left out. The zero value is ready.
type limiter struct {
	kinds [lineKinds]limitedKind
	next  matcher.Time // when summary may have something to say
}

type limitedKind struct {
	end   matcher.Time // of the time in which lines are counted
	lines int
	left  uint64 // lines that were not logged
	from  addresses
}

// allow reports whether a line of a kind about a source may be logged.
func (l *limiter) allow(now matcher.Time, kind lineKind, src *matcher.Addr) bool {
	k := &l.kinds[kind]
	if now >= k.end && k.left == 0 {
		k.end, k.lines = now.Add(limitTime), 0
	}
	if k.lines < limitLines {
		k.lines++
		return true
	}
	k.left++
	k.from.add(src)
	l.next = min(l.next, k.end)
	return false
}

// summary returns a line about lines that were left out, for each kind whose
// time is over. Call it until it returns false.
func (l *limiter) summary(now matcher.Time) (string, bool) {
	l.next = matcher.Never
	for i := range l.kinds {
		k := &l.kinds[i]
		if k.left == 0 {
			continue
		}
		if now < k.end {
			l.next = min(l.next, k.end)
			continue
		}
		n, exact := k.from.count()
		about := ""
		if !exact {
			about = "about "
		}
		line := "… and " + grouped(k.left) + " more " + lineNames[i] + " from " + about + grouped(n) +
			" addresses in " + strconv.Itoa(int(limitTime/time.Second)) + " s"
		*k = limitedKind{}
		l.next = now // there may be another
		return line, true
	}
	return "", false
}

// grouped returns n as 48,211.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// addresses counts different ones, in 2 kB however many there are: exactly up
// to 383, and then with an error of about 6 %. It keeps the hashes of a share
// of them, which is halved whenever they become too many (Flajolet, "On adaptive
// sampling", 1990).
type addresses struct {
	hashes [512]uint32 // by their upper bits, and then the next free place; 0: free
	n      int
	level  uint // only hashes that end in so many zeros are kept
}

func (a *addresses) add(src *matcher.Addr) {
	a.insert(scramble(src))
	for a.n > len(a.hashes)*3/4 {
		old := a.hashes
		*a = addresses{level: a.level + 1}
		for _, h := range old {
			a.insert(h)
		}
	}
}

func (a *addresses) insert(h uint32) {
	if h == 0 || h&(1<<a.level-1) != 0 {
		return
	}
	i := h >> 23
	for a.hashes[i] != 0 {
		if a.hashes[i] == h {
			return
		}
		i = (i + 1) % uint32(len(a.hashes))
	}
	a.hashes[i] = h
	a.n++
}

// count returns how many there were, and whether that is exact.
func (a *addresses) count() (n uint64, exact bool) {
	return uint64(a.n) << a.level, a.level == 0
}

// scramble hashes an address (the finalizer of MurmurHash3, by Appleby).
func scramble(src *matcher.Addr) uint32 {
	var h uint64
	for _, b := range src {
		h = h*0x100000001b3 + uint64(b)
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return uint32(h >> 32)
}

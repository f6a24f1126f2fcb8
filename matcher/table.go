package matcher

import "math/bits"

// attempt is 36 bytes without a pointer: the garbage collector never looks at
// the table. Links are id+1, so that zero is none.
type attempt struct {
	src          Addr
	next         uint32 // in the bucket, or in the free list
	bucket       uint32 // index, to save a hash when the attempt ends
	older, newer uint32 // in the list of its class
	door         uint16
	stage        uint8 // knocks matched
}

// ages is a list of attempts by the time of their last knock.
type ages struct {
	oldest, newest uint32 // id+1
	n              int
}

// table is the memory of the attempts: a fixed array whose entries hang in hash
// buckets and in the list of their class.
type table struct {
	attempts []attempt
	buckets  []uint32 // first attempt of each bucket, as id+1
	key      Key
	free     uint32 // first attempt given back, as id+1, chained by next
	unused   uint32 // attempts from here on were never used
	first    ages   // attempts that have matched one knock
	later    ages   // those that have matched more: at most half of the table
}

func newTable(n int, key Key) table {
	return table{
		attempts: make([]attempt, n),
		buckets:  make([]uint32, 1<<bits.Len(uint(n-1))),
		key:      key,
	}
}

// bucket returns the bucket of a source, given by its keyed hash, and a door.
// An odd factor spreads the doors of one source over all buckets.
func (t *table) bucket(hash uint64, door int) uint32 {
	return uint32(hash^uint64(door)*0x9e3779b97f4a7c15) & uint32(len(t.buckets)-1)
}

// find returns the attempt of a source on a door as id+1, 0 if there is none.
func (t *table) find(bucket uint32, src *Addr, door int) uint32 {
	id := t.buckets[bucket]
	for id != 0 {
		a := &t.attempts[id-1]
		if int(a.door) == door && a.src == *src {
			break
		}
		id = a.next
	}
	return id
}

// InFlight returns the number of attempts in flight.
func (t *table) InFlight() int { return t.first.n + t.later.n }

func (t *table) full() bool { return t.InFlight() == len(t.attempts) }

// laterFull reports whether no more attempts may have matched more than one
// knock.
func (t *table) laterFull() bool { return t.later.n == len(t.attempts)/2 }

// alloc returns a free place as id+1. The table must not be full.
func (t *table) alloc() uint32 {
	if id := t.free; id != 0 {
		t.free = t.attempts[id-1].next
		return id
	}
	t.unused++
	return t.unused
}

// insert hangs an attempt into its bucket and makes it the newest of its class.
func (t *table) insert(id uint32) {
	a := &t.attempts[id-1]
	a.next, t.buckets[a.bucket] = t.buckets[a.bucket], id
	t.enter(id)
}

// release takes an attempt out of its bucket and list and gives its place back.
func (t *table) release(id uint32) {
	t.leave(id)
	a := &t.attempts[id-1]
	link := &t.buckets[a.bucket]
	for *link != id {
		link = &t.attempts[*link-1].next
	}
	*link = a.next
	*a = attempt{next: t.free}
	t.free = id
}

// class returns the list in which an attempt stands.
func (t *table) class(a *attempt) *ages {
	if a.stage == 1 {
		return &t.first
	}
	return &t.later
}

// enter makes an attempt the newest of its class.
func (t *table) enter(id uint32) {
	a := &t.attempts[id-1]
	l := t.class(a)
	a.older, a.newer = l.newest, 0
	if l.newest != 0 {
		t.attempts[l.newest-1].newer = id
	} else {
		l.oldest = id
	}
	l.newest = id
	l.n++
}

// leave takes an attempt out of the list of its class.
func (t *table) leave(id uint32) {
	a := &t.attempts[id-1]
	l := t.class(a)
	if a.older != 0 {
		t.attempts[a.older-1].newer = a.newer
	} else {
		l.oldest = a.newer
	}
	if a.newer != 0 {
		t.attempts[a.newer-1].older = a.older
	} else {
		l.newest = a.older
	}
	l.n--
}

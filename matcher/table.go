package matcher

import "math/bits"

// attempt is 36 bytes without a pointer: the garbage collector never looks at
// the table. Links are id+1, so that memory never used stays zero.
type attempt struct {
	src          Addr
	next         uint32 // in the bucket, or in the free list
	bucket       uint32 // index, to save a hash when the attempt ends
	older, newer uint32 // among first-stage attempts
	door         uint16
	stage        uint8 // knocks matched
}

// table is the memory of the attempts: a fixed array whose entries hang in hash
// buckets and, at their first stage, in a list by age.
type table struct {
	attempts []attempt
	buckets  []uint32 // first attempt of each bucket, as id+1
	key      Key
	free     uint32 // first attempt given back, as id+1, chained by next
	unused   uint32 // attempts from here on were never used
	oldest   uint32 // ends of the list of first-stage attempts, as id+1
	newest   uint32
	inFlight int
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

func (t *table) full() bool {
	return t.free == 0 && int(t.unused) == len(t.attempts)
}

// alloc returns a free place as id+1. The table must not be full.
func (t *table) alloc() uint32 {
	if id := t.free; id != 0 {
		t.free = t.attempts[id-1].next
		return id
	}
	t.unused++
	return t.unused
}

// insert hangs a first-stage attempt into its bucket and makes it the newest
// of its stage.
func (t *table) insert(id uint32) {
	a := &t.attempts[id-1]
	a.next, t.buckets[a.bucket] = t.buckets[a.bucket], id
	a.older, a.newer = t.newest, 0
	if t.newest != 0 {
		t.attempts[t.newest-1].newer = id
	} else {
		t.oldest = id
	}
	t.newest = id
	t.inFlight++
}

// release takes an attempt out of its bucket and list and gives its place back.
func (t *table) release(id uint32) {
	a := &t.attempts[id-1]
	if a.stage == 1 {
		t.leaveFirst(id)
	}
	link := &t.buckets[a.bucket]
	for *link != id {
		link = &t.attempts[*link-1].next
	}
	*link = a.next
	*a = attempt{next: t.free}
	t.free = id
	t.inFlight--
}

// leaveFirst takes an attempt out of the list of first-stage attempts.
func (t *table) leaveFirst(id uint32) {
	a := &t.attempts[id-1]
	if a.older != 0 {
		t.attempts[a.older-1].newer = a.newer
	} else {
		t.oldest = a.newer
	}
	if a.newer != 0 {
		t.attempts[a.newer-1].older = a.older
	} else {
		t.newest = a.older
	}
	a.older, a.newer = 0, 0
}

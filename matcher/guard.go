package matcher

import "time"

const (
	// guardSets and guardWays make 2,048 places in each of the guard's two tables,
	// for 48 kB and 128 kB.
	guardSets = 256
	guardWays = 8

	// quiet is for how many ns a source that is not to be ignored leads to no
	// other event, and for how long a network is taken to share a scan.
	quiet time.Duration = 60e9
)

// Guard remembers who touched a decoy. It is not safe for concurrent use.
//
// Its memory is fixed: in a full set of places the one that was touched last
// the longest ago gives way. Nobody is ignored but the address that a touch came
// from, so whoever wants another to be ignored has to send that one's address as
// his own. The attempts of a network end with a touch only while two of its
// addresses or more touch decoys: one neighbour alone hinders nobody.
type Guard struct {
	// Lockout is how long a source is ignored. 0: its attempts end, but it is
	// heard. It may be changed at any time, and holds for all.
	Lockout time.Duration

	key      Key
	sources  [guardSets][guardWays]touch
	networks [guardSets][guardWays]sharedTouch
	last     Time // nothing was touched after
}

type touch struct {
	addr Addr
	at   Time // last
}

// sharedTouch is what is known of a network.
type sharedTouch struct {
	touch      // at is that of the last one that ended attempts
	src   Addr // that touched last
	when  Time // it did
	until Time // several share a scan; 0: never yet
}

// NewGuard returns a guard that has seen nothing. The key should be random.
func NewGuard(lockout time.Duration, key Key) *Guard {
	return &Guard{Lockout: lockout, key: key}
}

// ignores reports whether packets of a source are not to be looked at.
func (g *Guard) ignores(now Time, src *Addr) bool {
	if g.Lockout == 0 || now >= g.last.Add(g.Lockout) {
		return false
	}
	t := g.source(src)
	return t.addr == *src && now < t.at.Add(g.Lockout)
}

// touch notes that a source touched a decoy, and reports whether it is the
// first time in a while.
func (g *Guard) touch(now Time, src *Addr) bool {
	length := g.Lockout
	if length == 0 {
		length = quiet
	}
	t := g.source(src)
	first := t.addr != *src || now >= t.at.Add(length)
	*t = touch{*src, now}
	g.last = max(g.last, now)

	addr := networkOf(src)
	n := g.network(&addr)
	if n.addr != addr {
		*n = sharedTouch{touch: touch{addr: addr}}
	} else if n.src != *src && now < n.when.Add(quiet) {
		n.until = now.Add(quiet)
	}
	if n.src, n.when = *src, now; now < n.until {
		n.at = now
	}
	return first
}

// touchedSince reports whether a source, or its network, touched a decoy at that
// instant or later in a way that ends its attempts.
func (g *Guard) touchedSince(at Time, src *Addr) bool {
	if g.last < at {
		return false
	}
	if t := g.source(src); t.addr == *src && t.at >= at {
		return true
	}
	addr := networkOf(src)
	n := g.network(&addr)
	return n.addr == addr && n.until != 0 && n.at >= at
}

// Forgive listens to a source again, and lets attempts of its network go on.
func (g *Guard) Forgive(src Addr) {
	if t := g.source(&src); t.addr == src {
		*t = touch{}
	}
	addr := networkOf(&src)
	if n := g.network(&addr); n.addr == addr {
		*n = sharedTouch{}
	}
}

// source returns the place of an address, or the one that it is to take.
func (g *Guard) source(addr *Addr) *touch {
	set := &g.sources[sipHash(g.key, addr)%guardSets]
	victim := &set[0]
	for i := range set {
		t := &set[i]
		if t.addr == *addr {
			return t
		}
		if victim.addr != (Addr{}) && (t.addr == (Addr{}) || t.at < victim.at) {
			victim = t
		}
	}
	return victim
}

// network is the same for the address of a network.
func (g *Guard) network(addr *Addr) *sharedTouch {
	set := &g.networks[sipHash(g.key, addr)%guardSets]
	victim := &set[0]
	for i := range set {
		n := &set[i]
		if n.addr == *addr {
			return n
		}
		if victim.addr != (Addr{}) && (n.addr == (Addr{}) || n.when < victim.when) {
			victim = n
		}
	}
	return victim
}

// networkOf returns the network whose addresses one sender is likely to have:
// 24 bits of an IPv4 address, 64 of an IPv6 one (RFC 4291, section 2.5.4).
func networkOf(a *Addr) Addr {
	n := *a
	if a.Is4() {
		n[15] = 0
	} else {
		clear(n[8:])
	}
	return n
}

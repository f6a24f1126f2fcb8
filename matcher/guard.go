package matcher

import "time"

const (
	// guardSets and guardWays make 2,048 places, for 48 kB in each of the
	// guard's two tables.
	guardSets = 256
	guardWays = 8

	// quiet is for how many ns a source that is not to be ignored leads to no
	// other event.
	quiet time.Duration = 60e9
)

// Guard remembers who touched a decoy. It is not safe for concurrent use.
//
// Its memory is fixed: in a full set of places the touch that ends first gives
// way. Nobody is ignored but the address that a touch came from, so whoever
// wants another to be ignored has to send that one's address as his own.
type Guard struct {
	// Lockout is how long a source is ignored. 0: its attempts end, but it is
	// heard.
	Lockout time.Duration

	key      Key
	sources  touches // until when a source is ignored, or quiet
	networks touches // when a network was touched from last
	until    Time    // no source is in force from then on
	last     Time    // no network was touched after
}

type touches [guardSets][guardWays]touch

type touch struct {
	addr Addr
	at   Time
}

// NewGuard returns a guard that has seen nothing. The key should be random.
func NewGuard(lockout time.Duration, key Key) *Guard {
	return &Guard{Lockout: lockout, key: key}
}

// ignores reports whether packets of a source are not to be looked at.
func (g *Guard) ignores(now Time, src *Addr) bool {
	if now >= g.until || g.Lockout == 0 {
		return false
	}
	t := g.sources.find(g.key, src)
	return t.addr == *src && now < t.at
}

// touch notes that a source touched a decoy, and reports whether it is the
// first time in a while.
func (g *Guard) touch(now Time, src *Addr) bool {
	length := g.Lockout
	if length == 0 {
		length = quiet
	}
	t := g.sources.find(g.key, src)
	first := t.addr != *src || now >= t.at
	*t = touch{*src, now.Add(length)}
	g.until = max(g.until, t.at)

	network := networkOf(src)
	*g.networks.find(g.key, &network) = touch{network, now}
	g.last = max(g.last, now)
	return first
}

// touchedSince reports whether a decoy was touched from the network of a source
// at that instant or later.
func (g *Guard) touchedSince(at Time, src *Addr) bool {
	if g.last < at {
		return false
	}
	network := networkOf(src)
	t := g.networks.find(g.key, &network)
	return t.addr == network && t.at >= at
}

// Forgive listens to a source again, and lets attempts of its network go on.
func (g *Guard) Forgive(src Addr) {
	if t := g.sources.find(g.key, &src); t.addr == src {
		*t = touch{}
	}
	network := networkOf(&src)
	if t := g.networks.find(g.key, &network); t.addr == network {
		*t = touch{}
	}
}

// find returns the place of an address, or the one that it is to take.
func (s *touches) find(key Key, addr *Addr) *touch {
	set := &s[sipHash(key, addr)%guardSets]
	victim := &set[0]
	for i := range set {
		t := &set[i]
		if t.addr == *addr {
			return t
		}
		if t.at < victim.at {
			victim = t
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

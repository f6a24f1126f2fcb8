package main

import (
	"net/netip"
	"slices"
	"time"

	"sesame/e2e/netns"
)

// shot is one packet of an honest knock.
type shot struct {
	at     time.Duration // since the beginning
	who    netip.Addr
	packet []byte
}

// schedule has each of the sources knock once, every apart, with gap between the
// packets of one, all of them in the order in which they are due.
func schedule(p protocol, sources []netip.Addr, first, every, gap time.Duration) (list []shot) {
	for i, src := range sources {
		for k, port := range p.ports {
			list = append(list, shot{first + time.Duration(i)*every + time.Duration(k)*gap, src, p.packet(src, port)})
		}
	}
	slices.SortStableFunc(list, func(a, b shot) int { return int(a.at - b.at) })
	return list
}

// fire sends the shots when they are due, and returns the moment just before
// the last packet of each source was handed to the kernel.
func (w *wire) fire(list []shot) (map[netip.Addr]time.Duration, error) {
	last := map[netip.Addr]time.Duration{}
	began := netns.Now()
	for _, s := range list {
		if ahead := began + s.at - netns.Now(); ahead > 0 {
			time.Sleep(ahead)
		}
		last[s.who] = netns.Now()
		if err := w.one(s.packet); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// sources returns n addresses.
func sources(network netip.Addr, n int) (list []netip.Addr) {
	for i := range n {
		list = append(list, nth(network, i+1))
	}
	return list
}

// reached waits until all of the given have opened a door, at most for grace,
// and returns how long that took for those that have.
func (s *subject) reached(last map[netip.Addr]time.Duration, grace time.Duration) (took []time.Duration, err error) {
	for end := time.Now().Add(grace); ; time.Sleep(5 * time.Millisecond) {
		all, err := s.opened()
		if err != nil {
			return nil, err
		}
		took = took[:0]
		for who, sent := range last {
			if at, ok := all[who.String()]; ok {
				took = append(took, at-sent)
			}
		}
		if len(took) == len(last) || time.Now().After(end) {
			return took, nil
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// How long a socket is kept open where the system does not tell when a packet
// has left: the first to an address may wait for ARP or neighbour discovery.
const (
	holdFirst = 100 * time.Millisecond
	holdNext  = 5 * time.Millisecond
)

// Where the system does tell, a packet is waited for this long. Linux gives a
// neighbour three seconds to answer (mcast_solicit times retrans_time_ms, arp(7)).
const leaveLimit = 2500 * time.Millisecond

var errNeverLeft = errors.New("no route: the packet did not leave this machine; neither the host nor the gateway to it answers on its link")

// send sends one packet and returns when it has left the machine, as far as
// the system tells.
func send(p packet) error {
	s, err := open(p)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.knock(p); err != nil {
		return err
	}
	end := time.Now().Add(leaveLimit)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 2*time.Millisecond) {
		switch left, known := s.left(); {
		case !known && p.first:
			time.Sleep(holdFirst)
			return nil
		case !known:
			time.Sleep(holdNext)
			return nil
		case left:
			return nil
		case time.Now().After(end):
			return errNeverLeft
		}
		time.Sleep(pause)
	}
}

// knock sends a plan's packets once. say is told of each before it is sent. An
// address at which that fails is left out, with a note; it is an error when none
// is left.
func (p *plan) knock(ctx context.Context, say func(i int, next packet)) error {
	list := p.packets()
	failed := map[netip.Addr]error{}
	for i, next := range list {
		if failed[next.addr] != nil {
			continue
		}
		say(i, next)
		if err := send(next); err != nil {
			err = fmt.Errorf("%s: %s port %d: %w", next.addr, next.proto(), next.port, err)
			if failed[next.addr] = err; len(failed) == len(p.targets) {
				return err
			}
			p.note("left out: " + err.Error())
			continue
		}
		// Also after the last one, as knockd's client does: a script that
		// connects next has then given the door that time.
		if i == len(list)-1 && p.wait != 0 {
			break
		}
		if err := pause(ctx, p.delay); err != nil {
			return err
		}
	}
	return nil
}

// pause is time.Sleep that ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// lookupLimit is how long a name may take to resolve.
const lookupLimit = 15 * time.Second

// target is an address to knock at, and how to reach it.
type target struct {
	addr netip.Addr // IPv6 may have a zone
	path
}

// path is what the user says about the way of packets.
type path struct {
	source netip.Addr // the zero Addr: the system's choice
	iface  string     // empty: the system's choice
}

// plan is a knock of which everything is known: what is left is to send.
type plan struct {
	host    string
	targets []target // one, or with --both up to two
	hits    []hit
	delay   time.Duration
	wait    uint16
	timeout time.Duration
	notes   []string // for the user
	say     func(note string)
}

// note tells the user something that is no error.
func (p *plan) note(text string) {
	if p.say != nil {
		p.say(text)
	}
}

// packet is one packet of a plan.
type packet struct {
	target
	hit
	first bool // the first to this target
}

// packets returns what goes onto the wire for one round, in order.
func (p *plan) packets() []packet {
	list := make([]packet, 0, len(p.targets)*len(p.hits))
	for _, t := range p.targets {
		for i, h := range p.hits {
			list = append(list, packet{t, h, i == 0})
		}
	}
	return list
}

// assemble joins the command line with the profile that it names. The result
// is checked as far as that goes without asking the system.
func assemble(r request, find func(name string) (profile, error)) (settings, error) {
	s := r.flags
	if len(r.words) == 1 {
		p, err := find(r.words[0])
		if err != nil {
			return s, err
		}
		// An address is of a family: what the profile says of both is not
		// meant to stand beside what the command line says of one.
		if r.flags.given(keySource) && !r.flags.given(keyFamily) {
			p.family, p.places[keyFamily] = anyFamily, ""
		}
		if r.flags.given(keyFamily) && !r.flags.given(keySource) {
			p.source, p.places[keySource] = netip.Addr{}, ""
		}
		s = p.settings.over(r.flags)
	}
	if r.udp {
		list := make([]hit, len(s.sequence))
		for i, h := range s.sequence {
			list[i] = hit{h.port, true}
		}
		s.sequence = list
	}
	return s.complete()
}

// resolve turns settings into a plan. Each address is tried as far as that goes
// without a packet to it: the route, the source and the interface.
func resolve(ctx context.Context, s settings, lookup func(context.Context, string) ([]netip.Addr, error)) (*plan, error) {
	p := &plan{host: s.host, hits: s.sequence, delay: s.delay, wait: s.wait, timeout: s.timeout}
	way := path{s.source, s.iface}
	if s.iface != "" {
		if _, err := net.InterfaceByName(s.iface); err != nil {
			return nil, fmt.Errorf("%s: there is no interface %q", s.places[keyInterface], s.iface)
		}
	}
	all, err := addresses(ctx, s, lookup)
	if err != nil {
		return nil, err
	}
	families := []family{s.family}
	if s.family == both {
		families = []family{only4, only6}
	}
	var missing error
	for _, f := range families {
		t, err := choose(all, f, way, s)
		if err == nil {
			p.targets = append(p.targets, t)
		} else if missing == nil {
			missing = err
		}
	}
	if len(p.targets) == 0 {
		return nil, missing
	}
	if missing != nil {
		p.notes = append(p.notes, fmt.Sprintf("%v; knocking over the other family only", missing))
	}
	return p, nil
}

// addresses returns the host's, in the order in which the system prefers them.
func addresses(ctx context.Context, s settings, lookup func(context.Context, string) ([]netip.Addr, error)) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(s.host); err == nil {
		addr = addr.Unmap()
		if addr.Is6() && addr.IsLinkLocalUnicast() && addr.Zone() == "" {
			if s.iface == "" {
				return nil, fmt.Errorf("%s: this address needs an interface; write %s%%NAME or give --interface", s.where(""), addr)
			}
			addr = addr.WithZone(s.iface)
		}
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	list, err := lookup(ctx, s.host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) {
			err = errors.New(dns.Err)
		}
		return nil, fmt.Errorf("%s: the name has no address: %w", s.where(""), err)
	}
	for i := range list {
		list[i] = list[i].Unmap()
	}
	return list, nil
}

// choose returns the first address of a family that packets can be sent to, or
// why there is none.
func choose(all []netip.Addr, f family, way path, s settings) (target, error) {
	var cause error
	for _, addr := range all {
		if f == only4 && !addr.Is4() || f == only6 && !addr.Is6() {
			continue
		}
		t := target{addr, way}
		err := t.try()
		if err == nil {
			return t, nil
		}
		if cause == nil {
			cause = fmt.Errorf("%s: %w", s.where(addr.String()), err)
		}
	}
	if cause == nil {
		kind := map[family]string{anyFamily: "address", only4: "IPv4 address", only6: "IPv6 address"}[f]
		cause = fmt.Errorf("%s: has no %s", s.where(""), kind)
	}
	return target{}, cause
}

// where says where the host comes from, which one it is, and at which address.
func (s *settings) where(addr string) string {
	place := s.places[keyHost]
	var more []string
	if place != s.host {
		more = append(more, s.host)
	}
	if addr != "" && addr != s.host {
		more = append(more, addr)
	}
	if len(more) == 0 {
		return place
	}
	return place + " (" + strings.Join(more, ", ") + ")"
}

// try asks the system for a way to the target. No packet is sent: a UDP socket
// is only given its destination.
func (t target) try() error {
	if t.addr.IsMulticast() || t.addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return errors.New("is the address of many hosts; give that of one")
	}
	s, err := open(packet{t, hit{port: 1, udp: true}, false})
	if err != nil {
		return err
	}
	defer s.close()
	// The port does not matter for a route; 9 is the one of discard (RFC 863).
	if err := s.connect(9); err != nil {
		return fmt.Errorf("no route: %w", err)
	}
	return nil
}

// zoneIndex returns the number of an address's zone, 0 for none.
func zoneIndex(addr netip.Addr) (uint32, error) {
	zone := addr.Zone()
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	link, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("there is no interface %q", zone)
	}
	return uint32(link.Index), nil
}

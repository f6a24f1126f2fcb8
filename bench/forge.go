package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"sesame/e2e/netns"
)

// protocol is TCP or UDP: a door in every configuration, with its sequence.
type protocol struct {
	name  string
	ports [3]uint16
}

var (
	tcp = protocol{"tcp", [3]uint16{7000, 8000, 9000}}
	udp = protocol{"udp", [3]uint16{7001, 8001, 9001}}
)

// packet returns an IP packet to the gateway: a SYN or an empty datagram.
func (p protocol) packet(src netip.Addr, port uint16) []byte {
	dst := netns.Gateway4
	if src.Is6() {
		dst = netns.Gateway6
	}
	if p.name == "udp" {
		return netns.UDP(src.String(), dst, port)
	}
	return netns.TCP(src.String(), dst, port, netns.SYN)
}

// The sources of honest knocks and of probes, which differ in the last byte, and
// the network that the flood's IPv6 sources are in. All are for documentation
// and for benchmarks (RFC 5737, RFC 2544, RFC 3849); the sources of IPv4 floods
// can be any address.
var (
	honest4  = netip.MustParseAddr("198.51.100.0")
	second4  = netip.MustParseAddr("203.0.113.0")
	probing4 = netip.MustParseAddr("198.18.0.0")
	honest6  = netip.MustParseAddr("2001:db8:1::")
	walked6  = netip.MustParseAddr("2001:db8:bad:bad::")
)

// nth returns the address with n as its last byte, 0 to 255.
func nth(network netip.Addr, n int) netip.Addr {
	b := network.AsSlice()
	b[len(b)-1] = byte(n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// header is the length of an Ethernet header.
const header = 14

// frame puts an Ethernet header before an IP packet.
func frame(from, to []byte, packet []byte) []byte {
	f := append(append([]byte(nil), to...), from...)
	if packet[0]>>4 == 6 {
		f = append(f, 0x86, 0xdd)
	} else {
		f = append(f, 0x08, 0x00)
	}
	return append(f, packet...)
}

// layout says where things are in a frame.
type layout struct {
	src  int   // source address
	port int   // destination port
	sums []int // checksums that cover the source address; the last covers the port
}

func layoutOf(frame []byte) layout {
	l := layout{src: header + 12, port: header + 20 + 2, sums: []int{header + 10}}
	proto := frame[header+9]
	if frame[header]>>4 == 6 {
		l = layout{src: header + 8, port: header + 40 + 2}
		proto = frame[header+6]
	}
	if proto == 6 {
		l.sums = append(l.sums, l.port+14)
	} else {
		l.sums = append(l.sums, l.port+4)
	}
	return l
}

// patch writes v at offset off of a frame and mends the checksums that cover it
// (RFC 1624, equation 3).
func patch(f []byte, off int, v uint16, sums ...int) {
	old := binary.BigEndian.Uint16(f[off:])
	binary.BigEndian.PutUint16(f[off:], v)
	for _, at := range sums {
		s := uint32(^binary.BigEndian.Uint16(f[at:])) + uint32(^old) + uint32(v)
		s = s>>16 + s&0xffff
		s = s>>16 + s&0xffff
		binary.BigEndian.PutUint16(f[at:], ^uint16(s))
	}
}

func (l layout) setPort(f []byte, port uint16) { patch(f, l.port, port, l.sums[len(l.sums)-1]) }

// setSource4 and walk6 change the source address, the latter its lower half.
func (l layout) setSource4(f []byte, src uint32) {
	patch(f, l.src, uint16(src>>16), l.sums...)
	patch(f, l.src+2, uint16(src), l.sums...)
}

func (l layout) walk6(f []byte, n uint64) {
	for i := range 4 {
		patch(f, l.src+8+2*i, uint16(n>>(48-16*i)), l.sums...)
	}
}

// anySource returns a random unicast address: from 1.0.0.0 to 223.255.255.255,
// without 127.0.0.0/8, which the kernel throws away, and 192.0.2.0/24, which the
// gateway itself is in.
func anySource(rng *rand.Rand) uint32 {
	for {
		a := 1<<24 + rng.Uint32N(223<<24)
		if a>>24 != 127 && a>>8 != 192<<16|0<<8|2 {
			return a
		}
	}
}

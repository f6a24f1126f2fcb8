package afpacket

import (
	"encoding/binary"

	"sesame/matcher"
)

// Verdict says what Parse made of a packet.
type Verdict uint8

// Knock is the one verdict with which a packet is filled in.
const (
	Knock     Verdict = iota
	NotIP             // neither version 4 nor 6
	NotPort           // a protocol without ports, or ESP, no next header, a jumbogram
	Fragment          // not the first one: it has no ports
	Truncated         // a header ends beyond the captured bytes
	Malformed         // a header contradicts itself, or a source that cannot be
	Verdicts          // how many there are
)

var verdictNames = [Verdicts]string{"knock", "not IP", "no ports", "fragment", "truncated", "malformed"}

// String returns the verdict in words.
func (v Verdict) String() string {
	if v < Verdicts {
		return verdictNames[v]
	}
	return "unknown"
}

// Header sizes, and offsets of fields in them.
const (
	ip4Header   = 20 // RFC 791, section 3.1: without options
	ip4FragOff  = 6
	ip4Proto    = 9
	ip4Src      = 12
	ip4Dst      = 16
	ip6Header   = 40 // RFC 8200, section 3
	ip6Length   = 4
	ip6Next     = 6
	ip6Src      = 8
	ip6Dst      = 24
	tcpHeader   = 20 // RFC 9293, section 3.1: without options
	tcpFlags    = 13
	udpHeader   = 8 // RFC 768
	dstPort     = 2 // in both
	ip6FragSize = 8 // RFC 8200, section 4.5
)

// IPv6 extension headers that may stand before a TCP or UDP header (IANA,
// "IPv6 Extension Header Types").
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	authHeader  = 51
	destOptions = 60
)

// Parse reads a packet that begins with its IP header into p, which it resets
// first. Only with the verdict Knock does it fill p in, except for p.Local,
// which it cannot know. It never reads beyond b and takes no length from a
// header for granted: b is what was captured.
//
// Extension headers of IPv6 are walked in any order. A port of 0 is passed on;
// no door has it.
func Parse(b []byte, p *matcher.Packet) Verdict {
	*p = matcher.Packet{}
	if len(b) == 0 {
		return Truncated
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b, p)
	case 6:
		return parse6(b, p)
	}
	return NotIP
}

func parse4(b []byte, p *matcher.Packet) Verdict {
	if len(b) < ip4Header {
		return Truncated
	}
	header := int(b[0]&0x0f) * 4
	if header < ip4Header {
		return Malformed
	}
	// The 13 bits of offset; the flag for more fragments does not matter.
	if binary.BigEndian.Uint16(b[ip4FragOff:])&0x1fff != 0 {
		return Fragment
	}
	if len(b) < header {
		return Truncated
	}
	if v := parsePorts(b[header:], b[ip4Proto], p); v != Knock {
		return v
	}
	p.Src, p.Dst = addr4(b[ip4Src:]), addr4(b[ip4Dst:])
	return Knock
}

func parse6(b []byte, p *matcher.Packet) Verdict {
	if len(b) < ip6Header {
		return Truncated
	}
	if binary.BigEndian.Uint16(b[ip6Length:]) == 0 {
		return NotPort // RFC 2675, section 3, or nothing behind the header
	}
	next, header := b[ip6Next], ip6Header
	for {
		var size int
		switch next {
		case hopByHop, routing, destOptions, fragment, authHeader:
			if len(b) < header+ip6FragSize { // the least that each of them has
				return Truncated
			}
		}
		switch next {
		case hopByHop, routing, destOptions:
			size = (int(b[header+1]) + 1) * 8 // RFC 8200, section 4.3
		case authHeader:
			size = (int(b[header+1]) + 2) * 4 // RFC 4302, section 2.2
		case fragment:
			if binary.BigEndian.Uint16(b[header+2:])&0xfff8 != 0 {
				return Fragment
			}
			size = ip6FragSize
		default:
			if len(b) < header {
				return Truncated
			}
			return finish6(b, b[header:], next, p)
		}
		next, header = b[header], header+size
	}
}

func finish6(b, transport []byte, proto byte, p *matcher.Packet) Verdict {
	src, dst := matcher.Addr(b[ip6Src:ip6Src+16]), matcher.Addr(b[ip6Dst:ip6Dst+16])
	if src.Is4() || dst.Is4() {
		// IPv4-mapped addresses never appear on the wire (RFC 4038,
		// section 4.2); this one would pass for somebody's IPv4 address.
		return Malformed
	}
	if v := parsePorts(transport, proto, p); v != Knock {
		return v
	}
	p.Src, p.Dst = src, dst
	return Knock
}

// parsePorts reads a TCP or UDP header. It wants a whole one, as the machine
// itself would.
func parsePorts(b []byte, proto byte, p *matcher.Packet) Verdict {
	switch matcher.Proto(proto) {
	case matcher.TCP:
		if len(b) < tcpHeader {
			return Truncated
		}
		p.Flags = b[tcpFlags]
	case matcher.UDP:
		if len(b) < udpHeader {
			return Truncated
		}
	default:
		return NotPort
	}
	p.Port = matcher.Port{Number: binary.BigEndian.Uint16(b[dstPort:]), Proto: matcher.Proto(proto)}
	return Knock
}

func addr4(b []byte) matcher.Addr {
	return matcher.Addr{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

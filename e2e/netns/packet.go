package netns

import (
	"encoding/binary"
	"net/netip"
)

// TCP flag bits (RFC 9293, section 3.1).
const (
	FIN = 0x01
	SYN = 0x02
	RST = 0x04
	PSH = 0x08
	ACK = 0x10
	URG = 0x20
)

// sourcePort is the source port of every packet made here; from the range for
// private use (RFC 6335, section 6).
const sourcePort = 50505

// TCP returns an IPv4 or IPv6 packet, by the kind of its addresses, that holds
// a bare TCP header with the given flags. It panics on a bad address.
func TCP(src, dst string, port uint16, flags byte) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h[0:], sourcePort)
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint32(h[4:], 1) // sequence number
	h[12] = 5 << 4                       // header length in words
	h[13] = flags
	binary.BigEndian.PutUint16(h[14:], 64240) // window
	return IP(src, dst, 6, h, 16)
}

// UDP is TCP's counterpart: a UDP packet without content.
func UDP(src, dst string, port uint16) []byte {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h[0:], sourcePort)
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], 8) // length
	return IP(src, dst, 17, h, 6)
}

// IP puts an IP header before payload and writes payload's checksum at offset
// sum of it; sum < 0 writes none.
func IP(src, dst string, proto byte, payload []byte, sum int) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if sum >= 0 {
		pseudo := append(s.AsSlice(), d.AsSlice()...)
		pseudo = append(pseudo, 0, proto, byte(len(payload)>>8), byte(len(payload)))
		binary.BigEndian.PutUint16(payload[sum:], checksum(append(pseudo, payload...)))
	}
	if s.Is6() {
		h := make([]byte, 8, 40+len(payload))
		h[0] = 6 << 4
		binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
		h[6], h[7] = proto, 64 // next header, hop limit
		return append(append(append(h, s.AsSlice()...), d.AsSlice()...), payload...)
	}
	h := make([]byte, 12, 20+len(payload))
	h[0] = 4<<4 | 5 // version, header length in words
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	h[8], h[9] = 64, proto // time to live
	h = append(append(h, s.AsSlice()...), d.AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return append(h, payload...)
}

// Fragment returns a copy of IPv4 packet p that says it is the fragment at
// offset (in units of 8 bytes), with more to follow or not.
func Fragment(p []byte, offset uint16, more bool) []byte {
	f := append([]byte(nil), p...)
	if more {
		offset |= 0x2000
	}
	binary.BigEndian.PutUint16(f[6:], offset)
	f[10], f[11] = 0, 0
	binary.BigEndian.PutUint16(f[10:], checksum(f[:20]))
	return f
}

// Options6 returns a copy of IPv6 packet p with an empty extension header of
// the given kind (0 hop-by-hop, 60 destination options; RFC 8200, section 4)
// before its payload.
func Options6(p []byte, kind byte) []byte {
	ext := []byte{p[6], 0, 1, 4, 0, 0, 0, 0} // next header, length 0, PadN of 4
	f := append(append([]byte(nil), p[:40]...), ext...)
	f = append(f, p[40:]...)
	f[6] = kind
	binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
	return f
}

// checksum is the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

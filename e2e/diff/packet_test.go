package diff_test

import (
	"encoding/binary"
	"net"
	"strings"

	"sesame/e2e/netns"
)

// The senders and destinations of the scenarios.
const (
	a  = netns.Client4
	b  = "192.0.2.3"
	c  = "203.0.113.9" // a forged source from elsewhere
	a6 = netns.Client6
	b6 = "2001:db8::3"

	gateway  = netns.Gateway4
	gateway6 = netns.Gateway6
)

// gatewayFor returns the gateway's address of a source's family.
func gatewayFor(src string) string {
	if strings.Contains(src, ":") {
		return gateway6
	}
	return gateway
}

// tcp returns a packet with the given flags to each port.
func tcp(src string, flags byte, ports ...uint16) [][]byte {
	return tcpTo(src, gatewayFor(src), flags, ports...)
}

func tcpTo(src, dst string, flags byte, ports ...uint16) [][]byte {
	var list [][]byte
	for _, port := range ports {
		list = append(list, netns.TCP(src, dst, port, flags))
	}
	return list
}

func syn(src string, ports ...uint16) [][]byte { return tcp(src, netns.SYN, ports...) }

func udp(src string, ports ...uint16) [][]byte {
	var list [][]byte
	for _, port := range ports {
		list = append(list, netns.UDP(src, gatewayFor(src), port))
	}
	return list
}

// repeat repeats every packet of a list.
func repeat(n int, list [][]byte) [][]byte {
	var out [][]byte
	for _, p := range list {
		for range n {
			out = append(out, p)
		}
	}
	return out
}

// each changes every packet of a list.
func each(list [][]byte, change func([]byte) []byte) [][]byte {
	var out [][]byte
	for _, p := range list {
		out = append(out, change(p))
	}
	return out
}

// cut keeps n bytes of a packet; its header still promises all.
func cut(n int) func([]byte) []byte { return func(p []byte) []byte { return p[:n] } }

// loaded gives n bytes of content to an IPv4 packet without any.
func loaded(n int) func([]byte) []byte {
	return func(p []byte) []byte {
		transport := append(append([]byte(nil), p[20:]...), make([]byte, n)...)
		sum := 16
		if p[9] == 17 {
			sum = 6
			binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
		}
		transport[sum], transport[sum+1] = 0, 0
		return netns.IP(net.IP(p[12:16]).String(), net.IP(p[16:20]).String(), p[9], transport, sum)
	}
}

// optioned gives an IPv4 packet four bytes of IP options (RFC 791, section
// 3.1: no operation, three times, and the end of the list).
func optioned(p []byte) []byte {
	out := append(append([]byte(nil), p[:20]...), 1, 1, 1, 0)
	out = append(out, p[20:]...)
	out[0] = 4<<4 | 6
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	checksum4(out)
	return out
}

// checksum4 writes the checksum of an IPv4 header (RFC 1071).
func checksum4(p []byte) {
	header := p[:int(p[0]&15)*4]
	header[10], header[11] = 0, 0
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum))
}

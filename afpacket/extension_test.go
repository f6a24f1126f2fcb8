package afpacket

import (
	"encoding/binary"
	"slices"
	"testing"

	"sesame/matcher"
)

// extension is an extension header without its first byte, the next header.
type extension struct {
	kind byte
	rest []byte
}

// Each kind that may stand before TCP or UDP, in the sizes that it comes in.
var everyExtension = []extension{
	{hopByHop, []byte{0, 5, 2, 0, 0, 1, 0}},                                                         // router alert, PadN (RFC 2711)
	{routing, []byte{2, 2, 1, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}}, // type 2 (RFC 6275)
	{fragment, []byte{0, 0, 1, 0, 0, 0, 7}},                                                         // the first one, more follow
	{destOptions, []byte{1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},                             // PadN
	{authHeader, []byte{4, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0}},    // 96 bits (RFC 4302)
}

// withExtensions puts headers between an IPv6 header and a SYN to port 7000.
func withExtensions(t testing.TB, list ...extension) []byte {
	t.Helper()
	transport := packet(t, tcpSYN)
	b := packet(t, ip6+"06"+ip6Addrs)
	next := ip6Next
	for _, e := range list {
		b[next] = e.kind
		next = len(b)
		b = append(append(b, byte(matcher.TCP)), e.rest...)
	}
	b = append(b, transport...)
	binary.BigEndian.PutUint16(b[ip6Length:], uint16(len(b)-ip6Header))
	return b
}

var synFilter = Interest{Ports: tcpPorts(7000), Flags: matcher.Flags{Set: matcher.SYN}}

// check wants a packet to be a knock or not, for the parser as for the filter.
func checkKnock(t *testing.T, name string, b []byte, want Verdict) {
	t.Helper()
	b = b[:min(len(b), MaxHeaders)] // as the filter cuts it
	var p matcher.Packet
	if v := Parse(b, &p); v != want || v == Knock && (p.Port.Number != 7000 || p.Flags != matcher.SYN) {
		t.Errorf("%s: %v, want %v; %+v", name, v, want, p)
	}
	m := newMachine(t, Filter(synFilter, false, 0))
	if passed := m.run(t, m.vm6, b); want == Knock && Parse(b[:passed], &p) != Knock {
		t.Errorf("%s: the filter passes %d bytes of %d, which is not the knock", name, passed, len(b))
	}
}

// TestExtensionOrders sets up to five extension headers in every order.
func TestExtensionOrders(t *testing.T) {
	tried := 0
	var try func(list []extension)
	try = func(list []extension) {
		var name []byte
		for _, e := range list {
			name = append(name, '/', '0'+e.kind/10, '0'+e.kind%10)
		}
		checkKnock(t, string(name), withExtensions(t, list...), Knock)
		tried++
		for _, e := range everyExtension {
			if !slices.ContainsFunc(list, func(x extension) bool { return x.kind == e.kind }) {
				try(append(slices.Clone(list), e))
			}
		}
	}
	try(nil)
	if tried != 1+5+20+60+120+120 {
		t.Errorf("%d orders", tried)
	}
}

// TestExtensionBound stacks headers up to and beyond what is captured.
func TestExtensionBound(t *testing.T) {
	pad := extension{destOptions, []byte{0, 1, 4, 0, 0, 0, 0}}
	for n := range 40 {
		want := Knock
		if ip6Header+8*n+tcpHeader > MaxHeaders {
			want = Truncated
		}
		checkKnock(t, "headers", withExtensions(t, slices.Repeat([]extension{pad}, n)...), want)
	}
	// The longest one there is, alone: 2,048 bytes.
	long := extension{destOptions, append([]byte{255}, make([]byte, 2046)...)}
	checkKnock(t, "a long one", withExtensions(t, long), Truncated)
}

// TestNotKnocks6 has what looks like a knock behind a header that says that it
// is none.
func TestNotKnocks6(t *testing.T) {
	options := extension{destOptions, []byte{0, 1, 4, 0, 0, 0, 0}}
	behind := func(kind byte, before ...extension) []byte {
		b := withExtensions(t, before...)
		at := ip6Next
		for range before {
			at = ip6Header + 8*(len(before)-1)
		}
		b[at] = kind
		return b
	}
	jumbo := withExtensions(t, extension{hopByHop, []byte{0, 0xc2, 4, 0, 1, 0, 0}}) // RFC 2675
	binary.BigEndian.PutUint16(jumbo[ip6Length:], 0)
	empty := withExtensions(t)
	binary.BigEndian.PutUint16(empty[ip6Length:], 0)
	mapped := withExtensions(t)
	copy(mapped[ip6Dst:], packet(t, "00000000000000000000ffff cb007101"))
	later := withExtensions(t, options, extension{fragment, []byte{0, 0, 9, 0, 0, 0, 7}}, options)
	for name, tt := range map[string]struct {
		b    []byte
		want Verdict
	}{
		"ESP":                             {behind(50), NotPort},
		"ESP behind options":              {behind(50, options), NotPort},
		"no next header":                  {behind(59), NotPort},
		"no next header, behind options":  {behind(59, options), NotPort},
		"mobility":                        {behind(135), NotPort},
		"ICMPv6":                          {behind(58, options, options), NotPort},
		"a jumbogram":                     {jumbo, NotPort},
		"no payload":                      {empty, NotPort},
		"to an IPv4-mapped address":       {mapped, Malformed},
		"a later fragment between others": {later, Fragment},
	} {
		checkKnock(t, name, tt.b, tt.want)
	}
}

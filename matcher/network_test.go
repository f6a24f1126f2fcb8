package matcher

import (
	"net/netip"
	"testing"
)

// inNetwork is holds by means of package netip.
func inNetwork(addr, network Addr, wide uint8) bool {
	a, first := netip.AddrFrom16(addr).Unmap(), netip.AddrFrom16(network).Unmap()
	if wide == 0 {
		return a == first
	}
	p := netip.PrefixFrom(first, first.BitLen()-int(wide))
	next := a.Next()
	broadcast := a.Is4() && wide >= 2 && (!next.IsValid() || !p.Contains(next))
	isE := a.Is4() && a.As4()[0] >= 240 // for later use (RFC 1112)
	return p.Contains(a) && !broadcast && !a.IsMulticast() && !isE
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		network, addr string
		want          bool
	}{
		{"192.0.2.7/32", "192.0.2.7", true},
		{"192.0.2.7/32", "192.0.2.6", false},
		{"192.0.2.255/32", "192.0.2.255", true}, // named by itself
		{"192.0.2.0/24", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.2.254", true},
		{"192.0.2.0/24", "192.0.2.255", false},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"192.0.2.0/31", "192.0.2.1", true},
		{"192.0.2.0/30", "192.0.2.3", false},
		{"198.18.0.0/15", "198.19.255.1", true},
		{"198.18.0.0/15", "198.20.0.1", false},
		{"128.0.0.0/1", "224.0.0.1", false},
		{"128.0.0.0/1", "203.0.113.1", true},
		{"192.0.2.0/24", "2001:db8::1", false},
		{"2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::/64", "2001:db8:0:1::", false},
		{"2001:db8::/61", "2001:db8:0:7::1", true},
		{"2001:db8::/61", "2001:db8:0:8::1", false},
		{"8000::/1", "ff02::1", false},
		{"::8000:0:0/81", "192.0.2.1", false}, // in 16 bytes it looks as if
	} {
		p, addr := netip.MustParsePrefix(tt.network), Addr(netip.MustParseAddr(tt.addr).As16())
		network, wide := Addr(p.Addr().As16()), uint8(p.Addr().BitLen()-p.Bits())
		if got := network.holds(&addr, wide); got != tt.want || got != inNetwork(addr, network, wide) {
			t.Errorf("%s in %s: %v, want %v", tt.addr, tt.network, got, tt.want)
		}
	}
	// Every length, with addresses that differ from the network's in one bit.
	for _, text := range []string{"192.0.2.0", "2001:db8::"} {
		a := netip.MustParseAddr(text)
		for bits := 1; bits <= a.BitLen(); bits++ {
			network, wide := Addr(netip.PrefixFrom(a, bits).Masked().Addr().As16()), uint8(a.BitLen()-bits)
			for bit := range a.BitLen() {
				addr := network
				addr[15-bit/8] ^= 1 << (bit % 8)
				if got := network.holds(&addr, wide); got != inNetwork(addr, network, wide) {
					t.Errorf("%v in %v with %d bits free: %v", netip.AddrFrom16(addr), netip.AddrFrom16(network), wide, got)
				}
			}
		}
	}
}

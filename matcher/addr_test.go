package matcher

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// addrTexts are addresses, and what is nearly one.
var addrTexts = []string{
	"", "0.0.0.0", "192.0.2.7", "255.255.255.255", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1..2.3", "1.2.3.4 ", "1.2.3.+4", "0001.2.3.4",
	"::", ":::", ":", "::1", "1::", "2001:db8::7", "2001:DB8::7", "2001:db8:0:0:1:0:0:1", "2001:0:0:1:0:0:0:1", "2001:db8:0:1:1:1:1:1",
	"::ffff:192.0.2.7", "::192.0.2.7", "64:ff9b::192.0.2.33", "1:2:3:4:5:6:192.0.2.7", "1:2:3:4:5:6:7:192.0.2.7", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
	"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1::2::3", "12345::", "1:", ":1", "1:2:3:4:5:6:7:", "g::", "fe80::1%eth0", "::1%", "::ffff:1.2.3", "1.2.3.4::",
	"::1.2.3.4:5", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:0:0:0:0:ffff:c000:207", "::00001", "1:0:0:2::",
}

// FuzzAddr compares both ways with package net/netip.
func FuzzAddr(f *testing.F) {
	for _, text := range addrTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := netip.ParseAddr(text)
		a, ok := ParseAddr(text)
		if valid := err == nil && want.Zone() == ""; ok != valid || ok && a != want.As16() {
			t.Fatalf("%q: %x, %v; want %x, %v", text, a, ok, want.As16(), err)
		}
		if !ok && a != (Addr{}) {
			t.Fatalf("%q: %x with an error", text, a)
		}
		if ok && a.IsUnspecified() != want.Unmap().IsUnspecified() {
			t.Fatalf("%q: unspecified %v", text, a.IsUnspecified())
		}
	})
}

func TestAddrString(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 5))
	for range 100000 {
		var a Addr
		for i := range a {
			if rnd.IntN(3) == 0 {
				a[i] = byte(rnd.Uint32()) >> rnd.IntN(8)
			}
		}
		if rnd.IntN(4) == 0 {
			copy(a[:], []byte{10: 0xff, 11: 0xff})
			clear(a[:10])
		}
		if got, want := a.String(), netip.AddrFrom16(a).Unmap().String(); got != want {
			t.Fatalf("%x: %s, want %s", a, got, want)
		}
	}
}

package e2e_test

import (
	"fmt"
	"testing"

	"sesame/e2e/netns"
)

// TestAddressText wants the addresses that commands get as RFC 5952 has them,
// and never an IPv4 address in IPv6's clothes.
func TestAddressText(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "some of these it writes otherwise")
	l := newLab(t)
	d := l.start("[text]\n\tsequence = 7007:udp\n\tcommand = echo \"<%IP%>\"\n")
	sources := map[string]string{
		"2001:db8:0:0:1:0:0:1":    "2001:db8::1:0:0:1", // section 4.2.3: the first of two runs
		"2001:db8:0:1:1:1:1:1":    "2001:db8:0:1:1:1:1:1",
		"2001:0DB8:0:0:0:0:2:0AB": "2001:db8::2:ab",
		"2001:db8:1:0:0:2:0:0":    "2001:db8:1::2:0:0",
		"64:ff9b::192.0.2.33":     "64:ff9b::c000:221",
		"::192.0.2.33":            "::c000:221",
	}
	for src := range sources {
		l.send(netns.UDP(src, netns.Gateway6, 7007))
	}
	l.send(netns.UDP("198.51.100.7", gateway, 7007))
	sources[""] = "198.51.100.7"
	mapped := netns.UDP("2001:db8::bad", netns.Gateway6, 7007)
	for _, at := range []int{8, 24} { // source, destination
		p := append([]byte(nil), mapped...)
		copy(p[at:], []byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1})
		l.send(p)
	}
	for _, want := range sources {
		d.hear("<" + want + ">")
		d.wait(want + ": text: OPEN SESAME")
	}
	l.settle(d)
	d.want(": text: OPEN SESAME", len(sources))
	d.want("ffff", 0)
	d.want("bad", 0)
}

// TestExtensionHeaders knocks through each header that may stand before UDP,
// and through all of them.
func TestExtensionHeaders(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it knows none")
	l := newLab(t)
	d := l.start("[six]\n\tsequence = 7007:udp\n")
	options := func(p []byte, kinds ...byte) []byte {
		for _, kind := range kinds {
			p = netns.Options6(p, kind)
		}
		return p
	}
	knock := func(i int) []byte { return netns.UDP(fmt.Sprintf("2001:db8::7:%d", i), netns.Gateway6, 7007) }
	for i, kinds := range [][]byte{{}, {0}, {60}, {43}, {60, 0}, {60, 43, 60, 0}, {60, 60, 60, 60, 60, 60, 60, 60, 0}} {
		l.send(options(knock(i), kinds...))
	}
	for i, kind := range []byte{50, 59, 135} { // ESP, no next header, mobility
		l.send(options(knock(100+i), kind))
	}
	jumbo := options(knock(200), 0)
	jumbo[4], jumbo[5] = 0, 0
	l.send(jumbo)
	l.settle(d)
	d.want(": six: OPEN SESAME", 7)
	d.want("7:10", 0)
	d.want("7:200", 0)
}

//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// The addresses at the ends of a link, gw's first.
var (
	near4, far4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	near6, far6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	// and of the veth pair.
	wan4, lan4 = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	wan6, lan6 = netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:1::2")
	// What gw gets when it dials again.
	redialed = netip.MustParseAddr("192.0.2.65")
)

// kind is a kind of link between the namespaces gw and far, which a veth pair
// joins: wan is its end in gw, lan the other one.
type kind struct {
	name    string
	link    string
	pattern string // what sesame listens on; "": link

	far, near, cut func(l *lab) error // make the sides of the link; end gw's, after which near makes it again

	no4, no6 bool // the link carries none
	alone    bool // wan carries nothing else
}

var kinds = []kind{
	made(kind{name: "vlan", link: "wan.42"}, "wan.42",
		"ip link add link DEV name wan.42 type vlan id 42"),
	made(kind{name: "qinq", link: "wan.7.42"}, "wan.7",
		"ip link add link DEV name wan.7 type vlan proto 802.1ad id 7", "ip link set wan.7 up",
		"ip link add link wan.7 name wan.7.42 type vlan id 42"),
	{name: "pppoe", link: "ppp0", far: (*lab).pppoeServer, near: (*lab).pppoeClient, cut: (*lab).endServer},
	{name: "ppp", link: "ppp0", pattern: "ppp*", far: nothing, near: (*lab).ppp, cut: (*lab).endServer},
	{name: "wireguard", link: "wg0", far: (*lab).wgFar, near: (*lab).wgNear, cut: del("wg0")},
	made(kind{name: "gre", link: "tnl"}, "tnl", "ip link add tnl type gre local OWN4 remote OTHER4"),
	made(kind{name: "gretap", link: "tnl"}, "tnl", "ip link add tnl type gretap local OWN4 remote OTHER4"),
	made(kind{name: "ip6gre", link: "tnl"}, "tnl", "ip link add tnl type ip6gre local OWN6 remote OTHER6"),
	made(kind{name: "sit", link: "tnl", no4: true}, "tnl", "ip link add tnl type sit local OWN4 remote OTHER4"),
	made(kind{name: "ipip", link: "tnl", no6: true}, "tnl", "ip link add tnl type ipip local OWN4 remote OTHER4"),
	made(kind{name: "ip6tnl", link: "tnl"}, "tnl", "ip link add tnl type ip6tnl mode any local OWN6 remote OTHER6"),
	made(kind{name: "vxlan", link: "tnl"}, "tnl", "ip link add tnl type vxlan id 42 dstport 4789 local OWN4 remote OTHER4"),
	made(kind{name: "bridge", link: "br-lan", alone: true}, "br-lan",
		"ip link add br-lan type bridge", "ip link set DEV master br-lan"),
	made(kind{name: "bond", link: "bond7", alone: true}, "bond7",
		"ip link add bond7 type bond mode active-backup miimon 100", "ip link set DEV down", "ip link set DEV master bond7"),
	made(kind{name: "macvlan", link: "mv0"}, "mv0", "ip link add link DEV name mv0 type macvlan mode bridge"),
	made(kind{name: "ipvlan", link: "iv0"}, "iv0", "ip link add link DEV name iv0 type ipvlan mode l2"),
	// The kernel gives a tun device the type that it is told to: this is each
	// device without a header of its link layer.
	{name: "tun", link: "tun0", far: tunFar("tun0", arphrdNone), near: tunNear("tun0", arphrdNone), cut: (*lab).endTun},
	{name: "venet", link: "venet0", far: tunFar("venet0", arphrdVoid), near: tunNear("venet0", arphrdVoid), cut: (*lab).endTun},
	{name: "rawip", link: "wwan0", far: tunFar("wwan0", arphrdRawIP), near: tunNear("wwan0", arphrdRawIP), cut: (*lab).endTun},
}

// made is a kind that the same commands make on both sides; remove is what to
// remove before they can make it again.
func made(k kind, remove string, lines ...string) kind {
	far := strings.NewReplacer("DEV", "lan", "OWN4", lan4.String(), "OTHER4", wan4.String(), "OWN6", lan6.String(), "OTHER6", wan6.String())
	near := strings.NewReplacer("DEV", "wan", "OWN4", wan4.String(), "OTHER4", lan4.String(), "OWN6", wan6.String(), "OTHER6", lan6.String())
	k.far = func(l *lab) error {
		return l.distant.run(addressed(k, far, lines, far4, far6)...)
	}
	k.near = func(l *lab) error {
		return l.gw.run(addressed(k, near, lines, near4, near6)...)
	}
	k.cut = del(remove)
	return k
}

// addressed fills in the lines and adds those that give the link its addresses
// and switch it on.
func addressed(k kind, side *strings.Replacer, lines []string, own4, own6 netip.Addr) (all []string) {
	for _, line := range lines {
		all = append(all, side.Replace(line))
	}
	return append(all, addresses(k.link, k.no4, k.no6, own4, own6)...)
}

func addresses(link string, no4, no6 bool, own4, own6 netip.Addr) (lines []string) {
	lines = []string{"ip link set " + link + " up"}
	if !no4 {
		lines = append(lines, fmt.Sprintf("ip addr add %v/24 dev %s", own4, link))
	}
	if !no6 {
		lines = append(lines, fmt.Sprintf("ip addr add %v/64 dev %s nodad", own6, link))
	}
	return lines
}

func nothing(*lab) error { return nil }

// del removes a link of gw's.
func del(link string) func(l *lab) error {
	return func(l *lab) error { return l.gw.run("ip link del " + link) }
}

package diff_test

import (
	"encoding/binary"

	"sesame/e2e/netns"
)

const (
	other   = "192.0.2.77"   // another address of the client's network
	behind  = "203.0.113.80" // a machine behind the gateway
	inside4 = "10.9.8.1"     // the gateway's address on another interface
)

// to is a right knock on the door, for another destination.
func to(dst string) [][]byte { return tcpTo(a, dst, netns.SYN, 7000, 8000, 9000) }

func target(addr string) string { return "\ttarget = " + addr + "\n" }

// secondInterface gives the gateway another interface.
var secondInterface = []step{
	run("ip", "link", "add", "inner", "type", "veth", "peer", "name", "inner2"),
	run("ip", "addr", "add", inside4+"/24", "dev", "inner"),
	run("ip", "link", "set", "inner2", "up"),
	run("ip", "link", "set", "inner", "up"),
}

var destinations = group{"Destinations", []scenario{
	{
		name: "knocks to another address", text: "They are not meant for this machine.", doors: door,
		steps: []step{send(to(other), to(behind))},
	},
	{
		name: "knocks to a broadcast address", text: "They are not looked at.", doors: door,
		steps: []step{send(to("192.0.2.255"), to("255.255.255.255"))},
	},
	{
		name: "knocks to a multicast address", text: "They are not looked at.", doors: door,
		steps: []step{send(to("224.0.0.1"))},
	},
	{
		name: "a second address of the interface", text: "All the interface's addresses count, also in one knock.",
		doors: door, manual: true,
		steps: []step{run("ip", "addr", "add", other+"/24", "dev", "wan"), try(),
			send(syn(a, 7000), tcpTo(a, other, netns.SYN, 8000), syn(a, 9000))},
		want: []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name:  "an address of another interface",
		text:  "sesame takes knocks to any address of the machine; knockd only those of the interface it listens on.",
		doors: door, manual: true,
		steps: append(secondInterface[:4:4], try(), send(to(inside4))),
		want:  []string{started, opened(a)}, out: openedOut(a), knockd: []string{started}, theirs: none, other: "C",
	},
	{
		name: "an address added after the start", text: "knockd knows the addresses that were there when it started.",
		doors: door, steps: []step{run("ip", "addr", "add", other+"/24", "dev", "wan"), settle, send(to(other))},
		want: []string{opened(a)}, out: openedOut(a), knockd: []string{}, theirs: none, mend: 11,
	},
	{
		name: "Target, the address of another machine", text: "Knocks to that address count, and those to the gateway's own do not.",
		doors: door + target(other),
		steps: []step{send(knock(b), to(other))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "Target, with packets that are forwarded", text: "The gateway sees knocks that pass through it.",
		doors: door + target(behind), manual: true,
		steps: append(append(secondInterface[:4:4], run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
			run("ip", "route", "add", behind, "dev", "inner")), try(), send(to(behind))),
		want: []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name: "Target, the gateway's own address", text: "It may be named.",
		doors: door + target(gateway), steps: []step{send(knock(a))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "two doors with different Targets and one sequence", text: "The destination decides which opens.",
		doors: door2("x", 7000, 8000) + target(other) + door2("y", 7000, 8000) + target(behind),
		steps: []step{send(tcpTo(a, other, netns.SYN, 7000), tcpTo(a, behind, netns.SYN, 7000),
			tcpTo(a, behind, netns.SYN, 8000), tcpTo(a, other, netns.SYN, 8000))},
		want: []string{opens(a, "x", 2), opens(a, "y", 2)},
	},
	{
		name: "Target, an IPv6 address", text: "It may be one as well.",
		doors: "[six]\n\tsequence = 7000,8000\n" + target(gateway6),
		steps: []step{send(syn(a, 7000, 8000), syn(a6, 7000, 8000))}, want: []string{opens(a6, "six", 2)},
	},
	{
		name:  "Target, with packets of the gateway itself",
		text:  "knockd takes what the machine sends to Target for knocks; sesame looks only at what comes in.",
		doors: "[door]\n\tsequence = 7000:udp,8000:udp\n" + target(a), steps: []step{fromGateway(a, 7000, 8000)},
		knockd: []string{opens(gateway, "door", 2)}, want: []string{}, other: "C",
	},
}}

var packets = group{"Forms of packets", []scenario{
	{
		name: "IP options", text: "The ports are found behind them.", doors: door,
		steps: []step{send(each(knock(a), optioned))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "first fragments", text: "The first fragment of a packet has its ports and counts.", doors: door,
		steps: []step{send(each(knock(a), func(p []byte) []byte { return netns.Fragment(p, 0, true) }))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "later fragments", text: "They have no ports; what stands in their place is not taken for one.", doors: door,
		steps: []step{send(each(knock(a), func(p []byte) []byte { return netns.Fragment(p, 8, true) }),
			each(knock(a), func(p []byte) []byte { return netns.Fragment(p, 8, false) }))},
	},
	{
		name: "a SYN with content", text: "1,400 bytes of content (as with TCP Fast Open) change nothing.", doors: door,
		steps: []step{send(each(knock(a), loaded(1400)))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "UDP with and without content", text: "Neither matters.",
		doors: "[udp]\n\tsequence = 7000:udp,8000:udp,9000:udp",
		steps: []step{send(udp(a, 7000), each(udp(a, 8000), loaded(1)), each(udp(a, 9000), loaded(1400)))},
		want:  []string{opens(a, "udp", 3)},
	},
	{
		name: "wrong checksums", text: "They are not checked, neither IP's nor TCP's.", doors: door,
		steps: []step{send(each(knock(a), spoiled))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "a last hop", text: "The time to live does not matter.", doors: door,
		steps: []step{send(each(knock(a), func(p []byte) []byte { p[8] = 1; checksum4(p); return p }))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "frames with filling behind the packet", text: "As short frames have it on Ethernet.", doors: door,
		steps: []step{send(each(knock(a), func(p []byte) []byte { return append(p, make([]byte, 6)...) }))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "a TCP header cut short, before its flags", text: "With tcpflags it is no knock.", doors: door,
		steps: []step{send(each(knock(a), cut(30)))},
	},
	{
		name:   "a TCP header cut short, without tcpflags",
		text:   "Four bytes of ports are enough for knockd; sesame wants a whole header, as the machine's own TCP does.",
		doors:  "[any]\n\tsequence = 7000,8000",
		steps:  []step{send(each(syn(a, 7000, 8000), cut(30)))},
		knockd: []string{opens(a, "any", 2)}, other: "D",
	},
	{
		name: "other protocols with the same numbers in place of ports", text: "Only TCP and UDP have ports (here: SCTP).", doors: door,
		steps: []step{send(each(knock(a), func(p []byte) []byte { p[9] = 132; checksum4(p); return p }))},
	},
}}

var links = group{"Links without Ethernet", []scenario{
	{
		name: "IPv4 over a tunnel", text: "As over Ethernet.", doors: door, manual: true,
		steps: []step{overTun, try("-i", "tun0", "-c", "DIR/conf"), send(knock(a))},
		want:  []string{startedTun, opened(a)}, out: openedOut(a),
	},
	{
		name: "IPv6 over a tunnel", text: "knockd does not hear it.", doors: door, manual: true,
		steps: []step{overTun, try("-i", "tun0", "-c", "DIR/conf"), send(knock(a6))},
		want:  []string{startedTun, opened(a6)}, out: openedOut(a6),
		knockd: []string{startedTun}, theirs: none, mend: 12,
	},
}}

const startedTun = "starting up, listening on tun0"

// spoiled is a packet with wrong checksums.
func spoiled(p []byte) []byte {
	for _, at := range []int{10, 36} {
		binary.BigEndian.PutUint16(p[at:], binary.BigEndian.Uint16(p[at:])^0x5555)
	}
	return p
}

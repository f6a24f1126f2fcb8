package diff_test

import "sesame/e2e/netns"

const (
	xmas = netns.FIN | netns.PSH | netns.URG
	ecn  = 0xc0 // ECE and CWR (RFC 3168, section 6.1)
)

// flagged is a door of one knock with tcpflags.
func flagged(name, flags string) string {
	return "\n[" + name + "]\n\tsequence = 7000\n\ttcpflags = " + flags + "\n"
}

var flags = group{"TCP flags", []scenario{
	{
		name: "no tcpflags", text: "Any TCP packet is a knock: SYN, ACK, FIN, RST, one without flags, one with all.",
		doors: "[any]\n\tsequence = 7000,6000,8000,5000,9000,4000",
		steps: []step{send(tcp(a, netns.SYN, 7000), tcp(a, netns.ACK, 6000), tcp(a, netns.FIN, 8000),
			tcp(a, netns.RST, 5000), tcp(a, 0, 9000), tcp(a, 0xff, 4000))},
		want: []string{opens(a, "any", 6)},
	},
	{
		name: "other flags than syn", text: "They are no knocks.", doors: door,
		steps: []step{send(tcp(a, netns.ACK, 7000, 8000, 9000), tcp(a, netns.RST, 7000, 8000, 9000),
			tcp(a, xmas, 7000, 8000, 9000), tcp(a, 0, 7000, 8000, 9000))},
	},
	{
		name: "other flags in between", text: "A packet whose flags do not fit is no wrong knock either.", doors: door,
		steps: []step{send(syn(a, 7000), tcp(a, netns.ACK, 9000), tcp(a, netns.RST, 7000), syn(a, 8000),
			tcp(a, netns.ACK|netns.PSH, 8000), tcp(a, netns.FIN|netns.ACK, 7000), syn(a, 9000))},
		want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "syn and ack together", text: "tcpflags = syn looks at SYN alone, so SYN with ACK is a knock.", doors: door,
		steps: []step{send(syn(a, 7000), tcp(a, netns.SYN|netns.ACK, 8000), tcp(a, netns.SYN|netns.PSH|ecn, 9000))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "syn,!ack", text: "A flag after ! must be clear.",
		doors: "[strict]\n\tsequence = 7000,8000\n\ttcpflags = syn,!ack",
		steps: []step{send(tcp(a, netns.SYN|netns.ACK, 7000), tcp(b, netns.SYN, 7000),
			tcp(b, netns.SYN|netns.ACK, 8000), tcp(b, netns.SYN, 8000))},
		want: []string{opens(b, "strict", 2)},
	},
	{
		name: "flags in capitals", text: "SYN and !Ack are the same as syn and !ack.",
		doors: "[loud]\n\tsequence = 7000,8000\n\ttcpflags = SYN,!Ack",
		steps: []step{send(tcp(a, netns.SYN, 7000), tcp(a, netns.SYN|netns.ACK, 8000), tcp(a, netns.SYN, 8000))},
		want:  []string{opens(a, "loud", 2)},
	},
	{
		name: "each flag by itself", text: "fin, syn, rst, psh, ack and urg each let packets with that flag in, and no others.",
		doors: flagged("f", "fin") + flagged("s", "syn") + flagged("r", "rst") +
			flagged("p", "psh") + flagged("k", "ack") + flagged("u", "urg"),
		steps: []step{send(tcp("192.0.2.10", netns.FIN, 7000), tcp("192.0.2.11", netns.SYN, 7000),
			tcp("192.0.2.12", netns.RST, 7000), tcp("192.0.2.13", netns.PSH, 7000),
			tcp("192.0.2.14", netns.ACK, 7000), tcp("192.0.2.15", netns.URG, 7000))},
		want: []string{opens("192.0.2.10", "f", 1), opens("192.0.2.11", "s", 1), opens("192.0.2.12", "r", 1),
			opens("192.0.2.13", "p", 1), opens("192.0.2.14", "k", 1), opens("192.0.2.15", "u", 1)},
	},
	{
		name: "a packet without flags", text: "With every flag behind ! only a packet without any is a knock.",
		doors: flagged("null", "!fin,!syn,!rst,!psh,!ack,!urg"),
		steps: []step{send(tcp(a, netns.SYN, 7000), tcp(a, xmas, 7000), tcp(b, 0, 7000))},
		want:  []string{opens(b, "null", 1)},
	},
	{
		name: "a packet with FIN, PSH and URG", text: "All the flags named must be set.",
		doors: flagged("xmas", "fin,psh,urg,!syn"),
		steps: []step{send(tcp(a, netns.FIN, 7000), tcp(a, netns.FIN|netns.PSH, 7000), tcp(b, xmas, 7000),
			tcp(c, xmas|netns.SYN, 7000))},
		want: []string{opens(b, "xmas", 1)},
	},
	{
		name: "two doors on one port with different flags", text: "Each opens for its own packets.",
		doors: flagged("opens", "syn,!ack") + flagged("shuts", "ack,!syn"),
		steps: []step{send(tcp(a, netns.SYN, 7000), tcp(b, netns.ACK, 7000), tcp(c, netns.SYN|netns.ACK, 7000))},
		want:  []string{opens(a, "opens", 1), opens(b, "shuts", 1)},
	},
	{
		name: "tcpflags with blanks", text: "knockd refuses a blank after the comma; sesame takes it.",
		doors: "[spaced]\n\tsequence = 7000\n\ttcpflags = syn, !ack", manual: true,
		steps: []step{try(), send(tcp(a, netns.SYN|netns.ACK, 7000), tcp(b, netns.SYN, 7000))},
		want:  []string{started, opens(b, "spaced", 1)}, knockd: []string{"= exit status 1"}, mend: 14,
	},
}}

package diff_test

import "sesame/e2e/netns"

// sixes is a door with commands of its own for IPv6.
const sixes = `
[six]
	sequence = 7000,8000
	tcpflags = syn
	start_command = echo four >> $OUT
	start_command_6 = echo six for %IP% >> $OUT
	cmd_timeout = 0
	stop_command = echo four ends >> $OUT
	stop_command_6 = echo six ends >> $OUT
`

const (
	hopByHop    = 0 // RFC 8200, section 4
	destination = 60
	mapped      = "::ffff:192.0.2.9"
	inside6     = "fe80::1"
)

var ip6 = group{"IPv6", []scenario{
	{
		name: "TCP over IPv6", text: "As over IPv4; the log and %IP% show the IPv6 address.", doors: door,
		steps: []step{send(knock(a6))}, want: []string{opened(a6)}, out: openedOut(a6),
	},
	{
		name: "UDP and TCP over IPv6", text: "As over IPv4.",
		doors: "[mixed]\n\tsequence = 7000:udp,8000,9000:udp\n\ttcpflags = syn",
		steps: []step{send(udp(a6, 7000), syn(a6, 8000), udp(a6, 9000))}, want: []string{opens(a6, "mixed", 3)},
	},
	{
		name: "TCP flags over IPv6", text: "As over IPv4.", doors: "[strict]\n\tsequence = 7000,8000\n\ttcpflags = syn,!ack",
		steps: []step{send(tcp(a6, netns.ACK, 7000), tcp(a6, netns.SYN|netns.ACK, 7000), syn(a6, 7000),
			tcp(a6, netns.SYN|netns.ACK, 8000), syn(a6, 8000))},
		want: []string{opens(a6, "strict", 2)},
	},
	{
		name: "a wrong order over IPv6", text: "As over IPv4.", doors: door,
		steps: []step{send(syn(a6, 7000, 9000, 8000, 9000))}, want: []string{stage(a6, "door", 1)},
	},
	{
		name: "two addresses over IPv6", text: "As over IPv4.", doors: door3("door", 7000, 8000, 9000),
		steps: []step{send(syn(a6, 7000), syn(b6, 7000, 8000), syn(a6, 8000), syn(b6, 9000), syn(a6, 9000))},
		want:  []string{opens(a6, "door", 3), opens(b6, "door", 3)},
	},
	{
		name: "one knock over both", text: "The knocks of an IPv4 and an IPv6 address do not add up.", doors: door,
		steps: []step{send(syn(a6, 7000), syn(a, 8000), syn(a6, 9000))}, want: []string{stage(a6, "door", 1)},
	},
	{
		name: "start_command_6 and stop_command_6", text: "They are run for IPv6 addresses.", doors: sixes,
		steps: []step{send(syn(a6, 7000, 8000))},
		want:  []string{opens(a6, "six", 2), lease(a6, "six", "echo six for "+a6+" >> $OUT", "echo six ends >> $OUT")},
		out:   "six for " + a6 + "\nsix ends\n",
	},
	{
		name: "start_command_6 and stop_command_6, for an IPv4 address", text: "The others are run.", doors: sixes,
		steps: []step{send(syn(a, 7000, 8000))},
		want:  []string{opens(a, "six", 2), lease(a, "six", "echo four >> $OUT", "echo four ends >> $OUT")},
		out:   "four\nfour ends\n",
	},
	{
		name: "no commands for IPv6", text: "Those for IPv4 are run.",
		doors: "[four]\n\tsequence = 7000,8000\n\tcommand = echo for %IP% >> $OUT\n\tcmd_timeout = 0\n\tstop_command = echo end of %IP% >> $OUT",
		steps: []step{send(syn(a6, 7000, 8000))},
		want:  []string{opens(a6, "four", 2), lease(a6, "four", "echo for "+a6+" >> $OUT", "echo end of "+a6+" >> $OUT")},
		out:   "for " + a6 + "\nend of " + a6 + "\n",
	},
	{
		name: "command_6 alone", text: "The stop command for IPv4 is run with it.",
		doors: "[half]\n\tsequence = 7000,8000\n\tcommand_6 = echo six >> $OUT\n\tcmd_timeout = 0\n\tstop_command = echo end >> $OUT",
		steps: []step{send(syn(a6, 7000, 8000), syn(a, 7000, 8000))},
		want:  []string{opens(a6, "half", 2), lease(a6, "half", "echo six >> $OUT", "echo end >> $OUT"), opens(a, "half", 2)},
		out:   "six\nend\n",
	},
	{
		name: "an empty command_6", text: "The door opens in the log, and nothing is run.",
		doors: "[quiet]\n\tsequence = 7000,8000\n\tcommand = echo four >> $OUT\n\tcommand_6 =\n\tcmd_timeout = 0\n\tstop_command = echo end >> $OUT",
		steps: []step{send(syn(a6, 7000, 8000))}, want: []string{opens(a6, "quiet", 2)},
	},
	{
		name: "an empty stop_command_6", text: "The same as with stop_command: knockd runs an empty command, sesame none.",
		doors: "[open]\n\tsequence = 7000,8000\n\tcommand = echo in >> $OUT\n\tcmd_timeout = 0\n\tstop_command = echo end >> $OUT\n\tstop_command_6 =",
		steps: []step{send(syn(a6, 7000, 8000))},
		want:  []string{opens(a6, "open", 2), runs("open", "echo in >> $OUT")}, out: "in\n",
		knockd: []string{opens(a6, "open", 2), lease(a6, "open", "echo in >> $OUT", "")}, other: "E",
	},
	{
		name: "extension headers", text: "knockd looks for the port right behind the fixed header.",
		doors: door3("door", 7000, 8000, 9000),
		steps: []step{send(each(knock(a6), func(p []byte) []byte { return netns.Options6(p, destination) }),
			each(knock(b6), func(p []byte) []byte { return netns.Options6(netns.Options6(p, destination), hopByHop) }))},
		want:   []string{opens(a6, "door", 3), opens(b6, "door", 3)},
		knockd: []string{}, mend: 12,
	},
	{
		name: "only IPv4 asked for (-4)", text: "IPv6 packets are not looked at.", doors: door, manual: true,
		steps: []step{try("-4", "-i", "wan", "-c", "DIR/conf"), send(knock(a6), knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name: "knocks to a link-local address", text: "They count like those to the others.", doors: door, manual: true,
		steps: []step{run("ip", "addr", "add", inside6+"/64", "dev", "wan", "nodad"), try(),
			send(tcpTo("fe80::2", inside6, netns.SYN, 7000, 8000, 9000))},
		want: []string{started, opened("fe80::2")}, out: openedOut("fe80::2"),
	},
	{
		name: "knocks to all nodes", text: "Multicast is not looked at.", doors: door,
		steps: []step{send(tcpTo(a6, "ff02::1", netns.SYN, 7000, 8000, 9000))},
	},
	{
		name: "addresses with zeros in them", text: "They are written alike.", doors: door,
		steps: []step{send(knock("2001:db8:0:0:1:0:0:1"))}, want: []string{opened("2001:db8::1:0:0:1")}, out: openedOut("2001:db8::1:0:0:1"),
	},
	{
		name: "an IPv4-mapped source", text: "sesame does not take it: such packets cannot have come over a network.", doors: door,
		steps:  []step{send(tcpTo(mapped, gateway6, netns.SYN, 7000, 8000, 9000))},
		knockd: []string{opened(mapped)}, theirs: openedOut(mapped), other: "D",
	},
}}

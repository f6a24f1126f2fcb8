package diff_test

import (
	"fmt"
	"strings"

	"sesame/e2e/netns"
)

// door is the door of scenarios that are not about the door itself.
const door = `
[door]
	sequence = 7000,8000,9000
	tcpflags = syn
	command = echo opened for %IP% >> $OUT
`

// opened is what an opening of it logs, openedOut what its command writes.
func opened(src string) string {
	return opens(src, "door", 3) + "\n" + runs("door", "echo opened for "+src+" >> $OUT")
}

func openedOut(src string) string { return "opened for " + src + "\n" }

// knock is the right knock on it.
func knock(src string) [][]byte { return syn(src, 7000, 8000, 9000) }

// thirtyTwo is the longest sequence, in an order that neither rises nor falls.
var thirtyTwo = func() (ports []uint16) {
	for i := range 32 {
		ports = append(ports, uint16(7000+i*37%101))
	}
	return ports
}()

func list(ports []uint16) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ","), "[]")
}

var sequences = group{"Sequences", []scenario{
	{
		name: "a sequence of one port", text: "A single packet opens.",
		doors: "[one]\n\tsequence = 7000\n\tcommand = echo one >> $OUT",
		steps: []step{send(syn(a, 7000))},
		want:  []string{opens(a, "one", 1), runs("one", "echo one >> $OUT")}, out: "one\n",
	},
	{
		name: "a sequence of two ports", text: "Two packets open.",
		doors: "[two]\n\tsequence = 7000,6000\n\tcommand = echo two >> $OUT",
		steps: []step{send(syn(a, 7000, 6000))},
		want:  []string{opens(a, "two", 2), runs("two", "echo two >> $OUT")}, out: "two\n",
	},
	{
		name: "a sequence of three ports", text: "The ordinary knock: three stages, OPEN SESAME, the command.",
		doors: door, steps: []step{send(knock(a))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "a sequence of five ports", text: "Five stages.",
		doors: "[five]\n\tsequence = 7000,6000,8000,5000,9000\n\ttcpflags = syn",
		steps: []step{send(syn(a, 7000, 6000, 8000, 5000, 9000))},
		want:  []string{opens(a, "five", 5)},
	},
	{
		name: "a sequence of 32 ports", text: "The longest that is allowed.",
		doors: "[longest]\n\tsequence = " + list(thirtyTwo) + "\n\ttcpflags = syn",
		steps: []step{send(syn(a, thirtyTwo...))},
		want:  []string{opens(a, "longest", 32)},
	},
	{
		name: "the same port twice in a row", text: "The second packet is the second knock, not a repetition of the first.",
		doors: "[game]\n\tsequence = 15637:udp,15637:udp\n\tcommand = echo woken >> $OUT",
		steps: []step{send(udp(a, 15637)), wait(stage(a, "game", 1), 1), send(udp(a, 15637))},
		want:  []string{opens(a, "game", 2), runs("game", "echo woken >> $OUT")}, out: "woken\n",
	},
	{
		name: "the same port three times in a row", text: "The third packet opens.",
		doors: "[thrice]\n\tsequence = 7000,7000,7000\n\ttcpflags = syn",
		steps: []step{send(syn(a, 7000, 7000, 7000))},
		want:  []string{opens(a, "thrice", 3)},
	},
	{
		name: "a port that comes back later", text: "A port may stand in several places of a sequence.",
		doors: "[back]\n\tsequence = 7000,8000,7000,9000\n\ttcpflags = syn",
		steps: []step{send(syn(a, 7000, 8000, 7000, 9000))},
		want:  []string{opens(a, "back", 4)},
	},
	{
		name: "TCP and UDP mixed", text: "Each port has its own protocol; blanks around ports, colons and commas do not matter.",
		doors: "[mixed]\n\tsequence = 7000:udp, 8000 ,\t9000: UDP ,6000 :tcp\n\ttcpflags = syn",
		steps: []step{send(udp(a, 7000), syn(a, 8000), udp(a, 9000), syn(a, 6000))},
		want:  []string{opens(a, "mixed", 4)},
	},
	{
		name: "one number for TCP and for UDP", text: "7000 for TCP and 7000 for UDP are different knocks.",
		doors: "[both]\n\tsequence = 7000:tcp,7000:udp,7000:tcp\n\ttcpflags = syn",
		steps: []step{send(syn(a, 7000), udp(a, 7000), syn(a, 7000))},
		want:  []string{opens(a, "both", 3)},
	},
	{
		name: "UDP alone", text: "tcpflags has no say over UDP knocks.",
		doors: "[udp]\n\tsequence = 7000:udp,8000:udp\n\ttcpflags = syn",
		steps: []step{send(udp(a, 7000, 8000))},
		want:  []string{opens(a, "udp", 2)},
	},
	{
		name: "knocked again after the door has shut", text: "The same address can open a door as often as it likes.",
		doors: "[again]\n\tsequence = 7000,8000\n\ttcpflags = syn\n\tstart_command = echo in >> $OUT\n" +
			"\tcmd_timeout = 0\n\tstop_command = echo out >> $OUT",
		steps: []step{send(syn(a, 7000, 8000)), wrote("out", 1), settle, send(syn(a, 7000, 8000))},
		want: []string{
			opens(a, "again", 2), runs("again", "echo in >> $OUT"), ends(a, "again"), runs("again", "echo out >> $OUT"),
			opens(a, "again", 2), runs("again", "echo in >> $OUT"), ends(a, "again"), runs("again", "echo out >> $OUT"),
		},
		out: "in\nout\nin\nout\n",
	},
}}

var wrongKnocks = group{"Right and wrong knocks", []scenario{
	{
		name: "the wrong order", text: "Nothing opens.", doors: door,
		steps: []step{send(syn(a, 9000, 8000, 7000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "two knocks swapped", text: "The wrong knock ends the attempt.", doors: door,
		steps: []step{send(syn(a, 7000, 9000, 8000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "one knock missing", text: "The wrong knock ends the attempt.", doors: door,
		steps: []step{send(syn(a, 7000, 9000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "a wrong knock, then the rest", text: "What comes after a wrong knock does not go on where the attempt was.",
		doors: door, steps: []step{send(syn(a, 7000, 9000, 8000, 9000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "a wrong knock, then the right ones", text: "After a wrong knock the sequence works from its beginning.",
		doors: door, steps: []step{send(syn(a, 7000, 9000), knock(a))},
		want: []string{stage(a, "door", 1), opened(a)}, out: openedOut(a),
	},
	{
		name: "the right knocks after others of the door", text: "Knocks before the first one do not matter.",
		doors: door, steps: []step{send(syn(a, 9000, 8000), knock(a))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "ports of no door in between", text: "They are not looked at.", doors: door,
		steps: []step{send(syn(a, 7000, 22, 8000, 443, 8443), udp(a, 53), syn(a, 9000))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "UDP where TCP is asked for", text: "It is not looked at, and the knock is missing.", doors: door,
		steps: []step{send(syn(a, 7000), udp(a, 8000), syn(a, 9000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "every knock from another address", text: "Knocks of different addresses do not add up.", doors: door,
		steps: []step{send(syn(a, 7000), syn(b, 8000), syn(c, 9000))}, want: []string{stage(a, "door", 1)},
	},
	{
		name: "the last packet twice", text: "Nothing is left to be ended when it comes again.", doors: door,
		steps: []step{send(syn(a, 7000, 8000, 9000, 9000))}, want: []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "the first packet twice", text: "A SYN that comes twice is a repetition to sesame and a wrong knock to knockd.",
		doors: door, steps: []step{send(syn(a, 7000, 7000, 8000, 9000))},
		want: []string{opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1)}, theirs: none, mend: 1,
	},
	{
		name: "the second packet twice", text: "The same in the middle of a sequence.",
		doors: door, steps: []step{send(syn(a, 7000, 8000, 8000, 9000))},
		want: []string{opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1, 2)}, theirs: none, mend: 1,
	},
	{
		name: "every packet twice", text: "As on a line that loses the answers: sesame opens, knockd never does.",
		doors: door, steps: []step{send(repeat(2, knock(a)))},
		want: []string{opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1)}, theirs: none, mend: 1,
	},
	{
		name: "every packet four times", text: "However often it is repeated.",
		doors: door, steps: []step{send(repeat(4, knock(a)))},
		want: []string{opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1, 1)}, theirs: none, mend: 1,
	},
	{
		name:  "the first knock again, in the middle",
		text:  "To begin again after a lost packet works at once in sesame; in knockd the first knock only ends what was, and has to be sent once more.",
		doors: door, steps: []step{send(syn(a, 7000, 8000), knock(a))},
		want: []string{stage(a, "door", 1, 2), opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1, 2)}, theirs: none, other: "A",
	},
	{
		name: "a scan of all ports in rising order", text: "In knockd it opens a door whose ports only rise. To sesame a port beside the door's is a decoy.",
		doors: "[rising]\n\tsequence = 7000,7010,7020\n\ttcpflags = syn",
		steps: []step{send(scan(6990, 7030))}, want: []string{a + ": port scan: ignored for 60 s"},
		knockd: []string{opens(a, "rising", 3)}, mend: 6,
	},
	{
		name: "a scan of all ports in falling order", text: "It does not open such a door; sesame ignores who scans.",
		doors: "[rising]\n\tsequence = 7000,7010,7020\n\ttcpflags = syn",
		steps: []step{send(each(scan(6990, 7030), falling))}, want: []string{a + ": port scan: ignored for 60 s"},
		knockd: []string{stage(a, "rising", 1)}, mend: 6,
	},
}}

// scan is a SYN to each of a range of ports.
func scan(from, to uint16) (list [][]byte) {
	for port := from; port <= to; port++ {
		list = append(list, syn(a, port)...)
	}
	return list
}

// falling turns the ports of such a scan round.
func falling(p []byte) []byte {
	port := uint16(p[22])<<8 | uint16(p[23])
	return netns.TCP(a, gateway, 6990+7030-port, netns.SYN)
}

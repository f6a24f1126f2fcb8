package diff_test

import (
	"fmt"
	"strings"
)

// door2 is a door of two knocks.
func door2(name string, first, second int) string {
	return fmt.Sprintf("\n[%s]\n\tsequence = %d,%d\n\ttcpflags = syn\n", name, first, second)
}

// door3 is a door of three knocks.
func door3(name string, first, second, third int) string {
	return fmt.Sprintf("\n[%s]\n\tsequence = %d,%d,%d\n\ttcpflags = syn\n", name, first, second, third)
}

var sources = group{"Several addresses", []scenario{
	{
		name: "two addresses at once", text: "Their knocks do not disturb each other.",
		doors: door3("door", 7000, 8000, 9000),
		steps: []step{send(syn(a, 7000), syn(b, 7000, 8000), syn(a, 8000), syn(b, 9000), syn(a, 9000))},
		want:  []string{opens(a, "door", 3), opens(b, "door", 3)},
	},
	{
		name:   "two addresses at once, the first is done first",
		text:   "When the oldest attempt ends, knockd forgets all others.",
		doors:  door3("door", 7000, 8000, 9000),
		steps:  []step{send(syn(a, 7000), syn(b, 7000), syn(a, 8000), syn(b, 8000), syn(a, 9000), syn(b, 9000))},
		want:   []string{opens(a, "door", 3), opens(b, "door", 3)},
		knockd: []string{opens(a, "door", 3), stage(b, "door", 1, 2)}, mend: 7,
	},
	{
		name: "three addresses at once, the last is done first", text: "All three open.",
		doors: door3("door", 7000, 8000, 9000),
		steps: []step{send(syn(a, 7000), syn(b, 7000), syn(c, 7000, 8000), syn(b, 8000), syn(a, 8000),
			syn(c, 9000), syn(b, 9000), syn(a, 9000))},
		want: []string{opens(a, "door", 3), opens(b, "door", 3), opens(c, "door", 3)},
	},
	{
		name: "three addresses at once, the first is done first", text: "The same with three.",
		doors:  door3("door", 7000, 8000, 9000),
		steps:  []step{send(syn(a, 7000), syn(b, 7000), syn(c, 7000), knock(a)[1:], knock(b)[1:], knock(c)[1:])},
		want:   []string{opens(a, "door", 3), opens(b, "door", 3), opens(c, "door", 3)},
		knockd: []string{opens(a, "door", 3), stage(b, "door", 1), stage(c, "door", 1)}, mend: 7,
	},
	{
		name: "a wrong knock of another address", text: "It ends only that address's attempt.", doors: door,
		steps: []step{send(syn(a, 7000, 8000), syn(b, 7000, 9000), syn(a, 9000))},
		want:  []string{stage(b, "door", 1), opened(a)}, out: openedOut(a),
	},
	{
		name: "a wrong knock of another address that was first",
		text: "It ends the oldest attempt, and knockd forgets the others with it.", doors: door,
		steps: []step{send(syn(b, 7000), syn(a, 7000, 8000), syn(b, 9000), syn(a, 9000))},
		want:  []string{stage(b, "door", 1), opened(a)}, out: openedOut(a),
		knockd: []string{stage(b, "door", 1), stage(a, "door", 1, 2)}, theirs: none, mend: 7,
	},
	{
		name: "the time of the oldest attempt runs out", text: "Here too knockd forgets the others.",
		doors:  door2("slow", 7000, 8000) + door2("quick", 6000, 5000) + "\tseq_timeout = 1\n",
		steps:  []step{early, send(syn(a, 6000), syn(b, 7000)), settle, pause(21 * tenth), send(syn(b, 8000))},
		want:   []string{stage(a, "quick", 1), late(a, "quick", 1), opens(b, "slow", 2)},
		knockd: []string{stage(a, "quick", 1), late(a, "quick", 1), stage(b, "slow", 1)}, mend: 7,
	},
	{
		name: "an address from elsewhere", text: "The source of a packet is taken as it is; it can be forged.",
		doors: door, steps: []step{send(knock(c))}, want: []string{opened(c)}, out: openedOut(c),
	},
	{
		name: "the gateway's own address as a source", text: "Even that.",
		doors: door, steps: []step{send(knock(gateway))}, want: []string{opened(gateway)}, out: openedOut(gateway),
	},
}}

var doors = group{"Several doors", []scenario{
	{
		name: "two doors one after the other", text: "One address opens both.",
		doors: door2("x", 7000, 8000) + door2("y", 6000, 5000),
		steps: []step{send(syn(a, 7000, 8000, 6000, 5000))}, want: []string{opens(a, "x", 2), opens(a, "y", 2)},
	},
	{
		name: "two doors in turns, from two addresses", text: "Each is on its own.",
		doors: door2("x", 7000, 8000) + door2("y", 6000, 5000),
		steps: []step{send(syn(a, 7000), syn(b, 6000, 5000), syn(a, 8000))},
		want:  []string{opens(a, "x", 2), opens(b, "y", 2)},
	},
	{
		name:  "two doors in turns, from one address",
		text:  "To knockd the knock on the second door is a wrong one on the first; in sesame each door goes its own way.",
		doors: door2("x", 7000, 8000) + door2("y", 6000, 5000),
		steps: []step{send(syn(a, 7000, 6000, 8000, 5000))},
		want:  []string{opens(a, "x", 2), opens(a, "y", 2)}, knockd: []string{stage(a, "x", 1)}, mend: 8,
	},
	{
		name: "a knock on another door in between", text: "It ends the attempt in knockd, and does not in sesame.",
		doors: door + door2("other", 6000, 5000),
		steps: []step{send(syn(a, 7000, 5000, 8000, 9000))},
		want:  []string{opened(a)}, out: openedOut(a), knockd: []string{stage(a, "door", 1)}, theirs: none, mend: 8,
	},
	{
		name: "a UDP knock on another door in between", text: "The same with another protocol.",
		doors: door + "[other]\n\tsequence = 8000:udp,5000",
		steps: []step{send(syn(a, 7000), udp(a, 8000), syn(a, 8000, 9000))},
		want:  []string{stage(a, "other", 1), opened(a)}, out: openedOut(a),
		knockd: []string{stage(a, "door", 1)}, theirs: none, mend: 8,
	},
	{
		name: "a knock on another door with flags that do not fit", text: "Such a packet is no knock on either.",
		doors: door + door2("other", 6000, 5000),
		steps: []step{send(syn(a, 7000), tcp(a, 0, 6000), syn(a, 8000, 9000))},
		want:  []string{opened(a)}, out: openedOut(a),
	},
	{
		name: "two sequences that begin alike", text: "Both doors follow the first knocks; the one whose last knock comes opens.",
		doors: door3("x", 7000, 8000, 9000) + door3("y", 7000, 8000, 6000),
		steps: []step{send(syn(a, 7000, 8000, 6000), syn(b, 7000, 8000, 9000))},
		want:  []string{stage(a, "x", 1, 2), opens(a, "y", 3), opens(b, "x", 3), stage(b, "y", 1, 2)},
	},
	{
		name: "two doors with one sequence", text: "Both open.",
		doors: door + strings.ReplaceAll(door, "[door]", "[twin]"),
		steps: []step{send(knock(a)), wrote("opened for "+a, 2)},
		want:  []string{opened(a), opens(a, "twin", 3), runs("twin", "echo opened for "+a+" >> $OUT")},
		out:   openedOut(a) + openedOut(a),
	},
	{
		name: "two doors of one name", text: "Both are in force, each with its own sequence.",
		doors: door2("same", 7000, 8000) + door2("same", 6000, 5000),
		steps: []step{send(syn(a, 7000, 8000)), settle, send(syn(a, 6000, 5000))},
		want:  []string{opens(a, "same", 2), opens(a, "same", 2)},
	},
	{
		name: "a sequence that is the beginning of another, the longer door first", text: "Both open, one after the other.",
		doors: door3("longer", 7000, 8000, 9000) + door2("shorter", 7000, 8000),
		steps: []step{send(syn(a, 7000, 8000, 9000))},
		want:  []string{opens(a, "shorter", 2), opens(a, "longer", 3)},
	},
	{
		name:   "a sequence that is the beginning of another, the shorter door first",
		text:   "With the shorter door's attempt knockd forgets the longer one's, which then never opens.",
		doors:  door2("shorter", 7000, 8000) + door3("longer", 7000, 8000, 9000),
		steps:  []step{send(syn(a, 7000, 8000, 9000))},
		want:   []string{opens(a, "shorter", 2), opens(a, "longer", 3)},
		knockd: []string{opens(a, "shorter", 2), stage(a, "longer", 1, 2)}, mend: 7,
	},
	{
		name:   "a sequence that is the end of another",
		text:   "An address that knocks on one door cannot begin on another in knockd; sesame opens both.",
		doors:  door3("longer", 7000, 8000, 9000) + door2("end", 8000, 9000),
		steps:  []step{send(syn(a, 7000, 8000, 9000))},
		want:   []string{opens(a, "longer", 3), opens(a, "end", 2)},
		knockd: []string{opens(a, "longer", 3)}, mend: 8,
	},
	{
		name:   "two doors that begin alike, knocked to the end on both",
		text:   "The knock that belongs to one door alone ends the other's attempt in knockd.",
		doors:  door3("x", 7000, 8000, 9000) + door3("y", 7000, 6000, 5000),
		steps:  []step{send(syn(a, 7000, 8000, 9000, 6000, 5000))},
		want:   []string{opens(a, "x", 3), opens(a, "y", 3)},
		knockd: []string{opens(a, "x", 3), stage(a, "y", 1)}, mend: 8,
	},
	{
		name: "a hundred doors", text: "Each opens.",
		doors: many(100), steps: []step{send(manyKnock(a, 0), manyKnock(b, 99))},
		want: []string{opens(a, "d0", 3), opens(b, "d99", 3)},
	},
	{
		name: "a thousand doors", text: "sesame listens and opens at once; knockd is still busy with its filter.",
		doors: many(1000), manual: true,
		steps: []step{alone, send(manyKnock(a, 0), manyKnock(b, 999)), settle, stopKnockd},
		want:  []string{started, opens(a, "d0", 3), opens(b, "d999", 3)}, knockd: []string{}, mend: 15,
	},
}}

// alone starts both and does not wait for knockd.
func alone(l *lab) {
	l.t.Helper()
	l.launch(nil, usual...)
	l.sides[knockd].down = true
	wait(started, 1)(l)
}

// many is n doors of three knocks, with ports that are no neighbours.
func many(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(door3(fmt.Sprint("d", i), 3000+20*i, 43000+20*i, 23010+20*i))
	}
	return text.String()
}

// manyKnock is the right knock on door number i of them.
func manyKnock(src string, i uint16) [][]byte { return syn(src, 3000+20*i, 43000+20*i, 23010+20*i) }

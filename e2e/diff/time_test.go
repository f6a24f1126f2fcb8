package diff_test

import "time"

// timed is a door of three knocks in so many seconds.
func timed(seconds string) string {
	return door3("door", 7000, 8000, 9000) + "\tseq_timeout = " + seconds + "\n"
}

const tenth = 100 * time.Millisecond

// early is the beginning of a second, so that knockd's next one is far.
var early = fraction(tenth)

var times = group{"Time for a sequence", []scenario{
	{
		name: "the last knock too late", text: "The attempt has ended, and is logged as timed out.",
		doors: timed("1"), steps: []step{early, send(syn(a, 7000, 8000)), settle, pause(21 * tenth), send(syn(a, 9000))},
		want: []string{stage(a, "door", 1, 2), late(a, "door", 2)},
	},
	{
		name: "the last knock just in time", text: "It opens.",
		doors: timed("3"),
		steps: []step{early, send(syn(a, 7000)), pause(9 * tenth), send(syn(a, 8000)), pause(8 * tenth), send(syn(a, 9000))},
		want:  []string{opens(a, "door", 3)},
	},
	{
		name: "each knock in time, but not all together", text: "The time runs from the first knock to the last.",
		doors: timed("2"),
		steps: []step{early, send(syn(a, 7000)), pause(9 * tenth), send(syn(a, 8000)), pause(14 * tenth), send(syn(a, 9000))},
		want:  []string{stage(a, "door", 1, 2), late(a, "door", 2)},
	},
	{
		name: "begun again after the time ran out", text: "The first knock begins a new attempt.",
		doors: timed("1"), steps: []step{early, send(syn(a, 7000)), settle, pause(21 * tenth), early, send(knock(a))},
		want: []string{stage(a, "door", 1), late(a, "door", 1), opens(a, "door", 3)},
	},
	{
		name: "the name timeout for seq_timeout", text: "It is the same key.",
		doors: door3("door", 7000, 8000, 9000) + "\ttimeout = 1\n",
		steps: []step{early, send(syn(a, 7000, 8000)), settle, pause(21 * tenth), send(syn(a, 9000))},
		want:  []string{stage(a, "door", 1, 2), late(a, "door", 2)},
	},
	{
		name: "seq_timeout = 0, a sequence of one port", text: "The door opens.",
		doors: "[door]\n\tsequence = 7000\n\tseq_timeout = 0\n", steps: []step{send(syn(a, 7000))},
		want: []string{opens(a, "door", 1)},
	},
	{
		name: "time runs out, and no packet comes", text: "sesame logs it when it happens, knockd with the next packet that it looks at.",
		doors:  timed("1"),
		steps:  []step{early, send(syn(a, 7000)), settle, pause(21 * tenth), note(last)},
		want:   []string{stage(a, "door", 1), late(a, "door", 1), "= before the next packet: " + late(a, "door", 1)},
		knockd: []string{stage(a, "door", 1), late(a, "door", 1), "= before the next packet: " + stage(a, "door", 1)}, mend: 9,
	},
	{
		name:   "seq_timeout = 1, over the turn of a second",
		text:   "Half a second between two knocks can be too long for knockd.",
		doors:  timed("1"),
		steps:  []step{fraction(7 * tenth), send(syn(a, 7000)), pause(4 * tenth), send(syn(a, 8000, 9000))},
		want:   []string{opens(a, "door", 3)},
		knockd: []string{stage(a, "door", 1), late(a, "door", 1)}, other: "B",
	},
	{
		name:  "seq_timeout = 0, a sequence of several ports",
		text:  "Such a door never opens in knockd; sesame refuses the file and says so.",
		doors: timed("0"), manual: true,
		steps:  []step{try(), send(syn(a, 7000)), settle, send(syn(a, 8000, 9000)), settle, says("DIR/conf:8: seq_timeout: 0 ")},
		want:   []string{"= exit status 1", "= it says DIR/conf:8: seq_timeout: 0 "},
		knockd: []string{started, stage(a, "door", 1), late(a, "door", 1), "= it does not say DIR/conf:8: seq_timeout: 0 "}, other: "B",
	},
}}

// last notes the last line of the log.
func last(_ *lab, s *side) string {
	lines := s.lines()
	return "before the next packet: " + lines[len(lines)-1]
}

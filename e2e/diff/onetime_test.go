package diff_test

const once = `
[once]
	one_time_sequences = DIR/sequences
	tcpflags = syn
	command = echo once >> $OUT
`

var (
	noneLeft = remark("DIR/sequences has no sequence left")
	badLine  = remark("DIR/sequences:1: one_time_sequences: ")
)

var usedOnce = runs("once", "echo once >> $OUT")

var oneTime = group{"One-time sequences", []scenario{
	{
		name: "the first sequence", text: "It opens, and a # is written over the first character of its line.",
		doors: once, manual: true,
		steps: []step{file("sequences", "# my list\n7000,8000\n6000,5000\n"),
			try(), send(syn(a, 7000, 8000)), settle, shows("sequences")},
		want: []string{started, opens(a, "once", 2), usedOnce, "= sequences: # my list\n= #000,8000\n= 6000,5000"}, out: "once\n",
	},
	{
		name: "the second sequence", text: "It is in force when the first is used, and the first no more.",
		doors: once, manual: true,
		steps: []step{file("sequences", "7000,8000\n\n 6000:udp, 5000 \n4000,3000\n"),
			try(), send(syn(a, 7000, 8000)), wrote("once", 1), settle,
			send(syn(b, 7000, 8000)), settle, send(udp(c, 6000), syn(c, 5000)), settle, shows("sequences")},
		want: []string{started, opens(a, "once", 2), usedOnce, opens(c, "once", 2), usedOnce,
			"= sequences: #000,8000\n= \n= #6000:udp, 5000 \n= 4000,3000"}, out: "once\nonce\n",
	},
	{
		name: "lines that were used before", text: "They are skipped.",
		doors: once, manual: true,
		steps: []step{file("sequences", "#000,8000\n6000,5000\n4000,3000\n"),
			try(), send(syn(a, 7000, 8000), syn(b, 6000, 5000)), settle, shows("sequences")},
		want: []string{started, opens(b, "once", 2), usedOnce, "= sequences: #000,8000\n= #000,5000\n= 4000,3000"}, out: "once\n",
	},
	{
		name: "the last sequence used up", text: "knockd crashes (double free); in sesame this door is shut and the others go on.",
		doors: once + door2("other", 4000, 3000), manual: true,
		steps: []step{file("sequences", "7000,8000\n"),
			try(), send(syn(a, 7000, 8000)), wrote("once", 1), knockdExits, send(syn(b, 4000, 3000)), settle, shows("sequences")},
		want: []string{started, opens(a, "once", 2), usedOnce, noneLeft, opens(b, "other", 2), "= sequences: #000,8000"}, out: "once\n",
		knockd: []string{started, opens(a, "once", 2), usedOnce,
			"no more sequences left in the one time sequences file for door once --> disabling the door",
			"= ended by a signal", "= sequences: #000,8000"}, mend: 13,
	},
	{
		name: "the second sequence over IPv6", text: "knockd goes on listening for the first one.",
		doors: once, manual: true,
		steps: []step{file("sequences", "7000,8000\n6000,5000\n4000,3000\n"),
			try(), send(syn(a6, 7000, 8000)), wrote("once", 1), settle, send(syn(a6, 6000, 5000))},
		want: []string{started, opens(a6, "once", 2), usedOnce, opens(a6, "once", 2), usedOnce}, out: "once\nonce\n",
		knockd: []string{started, opens(a6, "once", 2), usedOnce}, theirs: "once\n", mend: 13,
	},
	{
		name: "a line that is no sequence", text: "knockd marks that line instead of the used one, which so opens again.",
		doors: once, manual: true,
		steps: []step{file("sequences", "7000,99999\n7000,8000\n6000,5000\n"),
			try(), send(syn(a, 7000, 8000)), wrote("once", 1), settle,
			send(syn(b, 7000, 8000)), settle, shows("sequences")},
		want: []string{badLine, started, opens(a, "once", 2), usedOnce, badLine, "= sequences: 7000,99999\n= #000,8000\n= 6000,5000"}, out: "once\n",
		knockd: []string{started, opens(a, "once", 2), usedOnce, opens(b, "once", 2), usedOnce,
			"= sequences: #000,99999\n= #000,8000\n= 6000,5000"},
		theirs: "once\nonce\n", mend: 13,
	},
	{
		name: "a file without a sequence", text: "Neither starts.",
		doors: once, manual: true,
		steps: []step{file("sequences", "# none\n"), try()},
		want:  []string{"= exit status 1"},
	},
	{
		name: "no file", text: "Neither starts.",
		doors: once, manual: true, steps: []step{try()}, want: []string{"= exit status 1"},
	},
}}

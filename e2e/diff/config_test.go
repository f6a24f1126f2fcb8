package diff_test

import "strings"

// written is a door in an unusual form that opens all the same.
func written(name, text, doors string) scenario {
	return scenario{
		name: name, text: text, doors: doors, steps: []step{send(knock(a))},
		want: []string{opened(a)}, out: openedOut(a),
	}
}

// refused is a file with which neither starts.
func refused(name, text, doors string) scenario {
	return scenario{
		name: name, text: text, doors: doors, manual: true, steps: []step{try()},
		want: []string{"= exit status 1"},
	}
}

// mistaken is a file that knockd takes for something else, and sesame refuses.
func mistaken(line, text string) scenario {
	key, _, _ := strings.Cut(line, " ")
	rest := "\tsequence = 7000\n"
	if key == "sequence" {
		rest = ""
	}
	place := "DIR/conf:5: " + key + ": "
	return scenario{
		name: line, text: text, doors: "[door]\n\t" + line + "\n" + rest, manual: true, steps: []step{try(), says(place)},
		want:   []string{"= exit status 1", "= it says " + place},
		knockd: []string{started, "= it does not say " + place}, mend: 14,
	}
}

var files = group{"The configuration file", []scenario{
	written("keys in capitals", "Keys may be written in any case.",
		strings.NewReplacer("sequence", "SEQUENCE", "tcpflags", "TcpFlags", "command", "Start_Command").Replace(door)),
	written("carriage returns", "A file from Windows is read like any other.", strings.ReplaceAll(door, "\n", "\r\n")),
	written("tabs and blank lines", "They do not matter.", "\n \t \n"+strings.ReplaceAll(door, " = ", "\t=\t \t")+"\t\n\n"),
	written("no blanks around =", "They are not needed.", strings.ReplaceAll(door, " = ", "=")),
	written("blanks in brackets and before them", "Lines may be indented.", strings.ReplaceAll(door, "[door]", "  [door]  ")),
	written("comments", "A line whose first character is # is one, also indented.",
		strings.ReplaceAll(door, "\n\t", "\n# a comment\n\t# = another\n\t")),
	written("the name command for start_command", "It is the same key.", strings.ReplaceAll(door, "command", "start_command")),
	written("a comment after a number", "What follows a blank behind it is not read.",
		strings.Replace(door, "9000", "9000 # the last", 1)+"\tseq_timeout = 60 # a minute\n"),
	{
		name: "a sequence given twice", text: "The later one is in force; sesame warns.",
		doors: strings.Replace(door, "[door]", "[door]\n\tsequence = 1,2,3", 1), manual: true, steps: []step{try(), send(knock(a))},
		want: []string{remark("DIR/conf:7: sequence: also set on line 6"), started, opened(a)}, out: openedOut(a),
		knockd: []string{started, opened(a)}, other: "F",
	},
	written("[options] twice", "Both count.", door+"[options]\n\tPidFile = DIR/pid\n"),
	{
		name: "a name with blanks", text: "It is logged as it is.", doors: "[my  door: 1]\n\tsequence = 7000\n",
		steps: []step{send(syn(a, 7000))}, want: []string{opens(a, "my  door: 1", 1)},
	},
	{
		name: "no [options]", text: "They are not needed; the log file is named on the command line.", manual: true,
		steps: []step{file("conf", door+sentinel), try("-i", "wan", "-c", "DIR/conf", "-g", "DIR/log"), send(knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name: "no newline at the end", text: "The last line counts.", manual: true,
		steps: []step{file("conf", "[options]\n"+logTo+sentinel+strings.TrimSpace(door)), try(), send(knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a),
	},
	refused("[Options]", "Only in small letters is it the section of options; this is a door without a sequence.", "[Options]\n\tPidFile = DIR/pid\n"),
	refused("a key that does not exist", "Neither starts.", door+"\tsequense = 1,2,3\n"),
	refused("an option that does not exist", "Neither starts.", "[options]\n\tlogfiles = DIR/log\n"),
	refused("a door without a sequence", "Neither starts.", "[door]\n\tcommand = true\n"),
	refused("a sequence of 33 ports", "Neither starts.", "[door]\n\tsequence = "+list(thirtyTwo)+",1\n"),
	refused("port 65536", "Neither starts.", "[door]\n\tsequence = 65536\n"),
	refused("a protocol that does not exist", "Neither starts.", "[door]\n\tsequence = 7000:icmp\n"),
	refused("a TCP flag that does not exist", "Neither starts.", "[door]\n\tsequence = 7000\n\ttcpflags = sin\n"),
	refused("a line without =", "Neither starts.", "[door]\n\tsequence 7000\n"),
	{
		name: "letters in UTF-8", text: "Names and commands may hold any.", doors: "[Tür]\n\tsequence = 7000\n\tcommand = echo Tür >> $OUT\n",
		steps: []step{send(syn(a, 7000))}, want: []string{opens(a, "Tür", 1), runs("Tür", "echo Tür >> $OUT")}, out: "Tür\n",
	},
	mistaken("sequence = abc", "knockd takes port 0; sesame refuses it."),
	mistaken("sequence = 1,2,", "knockd takes port 0 for the third; sesame refuses it."),
	mistaken("sequence = -1", "knockd takes port 65535; sesame refuses it."),
	mistaken("sequence = 0", "knockd takes it; sesame refuses it: no packet has it."),
	mistaken("sequence = 7000x", "knockd takes 7000; sesame refuses it."),
	mistaken("sequence = 7000;8000", "knockd takes 7000 alone; sesame refuses it."),
	mistaken("sequence =", "knockd takes port 0; sesame refuses it."),
	mistaken("target = localhost", "knockd starts, and no packet is for it; sesame refuses a name."),
	mistaken("seq_timeout = 5s", "knockd takes 5; sesame refuses it."),
	mistaken("seq_timeout = abc", "knockd takes no time; sesame refuses it."),
	mistaken("cmd_timeout = abc", "knockd takes no time; sesame refuses it."),
	{
		name: "UseSyslog = yes", text: "knockd refuses a value; sesame takes it.", options: "\tUseSyslog = yes\n", doors: door, manual: true,
		steps: []step{try(), send(knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a), knockd: []string{"= exit status 1"}, theirs: none, mend: 14,
	},
	{
		name: "seq_cooldown", text: "A key of knockd's offshoots, unknown to knockd: seconds in which a door does not open again.",
		doors: "[door]\n\tsequence = 7000\n\tseq_cooldown = 60\n", manual: true,
		steps:  []step{try(), send(syn(a, 7000), syn(b, 7000))},
		want:   []string{started, opens(a, "door", 1), stage(b, "door", 1), remark(b + ": door: not opened")},
		knockd: []string{"= exit status 1"}, other: "H",
	},
	{
		name: "a byte order mark", text: "As some editors put it before a file: knockd does not start, sesame does not mind.", manual: true,
		steps: []step{file("conf", "\ufeff[options]\n"+logTo+sentinel+door), try(), send(knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a), knockd: []string{"= exit status 1"}, theirs: none, other: "H",
	},
	{
		name: "a log file that cannot be opened", text: "knockd warns and goes on without; sesame does not start.", manual: true,
		steps:  []step{file("conf", "[options]\n\tLogFile = DIR/nowhere/log\n"+door), launched, onSesame(exits), says("DIR/nowhere/log"), outlives},
		want:   []string{"= exit status 1", "= it says DIR/nowhere/log"},
		knockd: []string{"= it does not say DIR/nowhere/log", "= it goes on"}, other: "H",
	},
	{
		name: "a name of 200 characters", text: "knockd cuts it to 127.", doors: "[" + longName + "]\n\tsequence = 7000\n",
		steps: []step{send(syn(a, 7000))}, want: []string{opens(a, longName, 1)}, knockd: []string{opens(a, longName[:127], 1)}, other: "F",
	},
	{
		name: "letters that are not UTF-8", text: "The command is run as it stands; in sesame's log they are replaced.",
		doors: "[door]\n\tsequence = 7000\n\tcommand = echo T\xfcr >> $OUT\n", steps: []step{send(syn(a, 7000))},
		want: []string{knocked("echo T\ufffdr >> $OUT")}, knockd: []string{knocked("echo T\xfcr >> $OUT")}, out: "T\xfcr\n", other: "F",
	},
}}

var longName = strings.Repeat("n", 200)

// launched starts both and waits for neither.
func launched(l *lab) { l.t.Helper(); l.launch(nil, usual...) }

// outlives notes that knockd runs, and ends it.
func outlives(l *lab) {
	l.t.Helper()
	s := l.sides[knockd]
	l.until(s, "its warning", func() bool { return strings.Contains(stderr(l, s), "warning: cannot open logfile") })
	if !s.proc.Exited() {
		s.note("it goes on")
	}
	stopKnockd(l)
}

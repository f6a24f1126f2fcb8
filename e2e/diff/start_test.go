package diff_test

import (
	"fmt"
	"strings"
	"syscall"
)

// with is a start with other arguments.
func with(name, text string, args ...string) scenario {
	return scenario{
		name: name, text: text, options: "\tInterface = wan\n", doors: door, manual: true,
		steps: []step{try(args...), send(knock(a))}, want: []string{started, opened(a)}, out: openedOut(a),
	}
}

// ending is a start that ends by itself, in both with the same status.
func ending(name, text string, status int, args ...string) scenario {
	return scenario{
		name: name, text: text, doors: door, manual: true, steps: []step{try(args...)},
		want: []string{fmt.Sprint("= exit status ", status)},
	}
}

var arguments = group{"Command line", []scenario{
	with("long options", "`--interface wan` and `--config=FILE` are the same as `-i` and `-c`.", "--interface", "wan", "--config=DIR/conf"),
	with("options in one word", "`-v4iwan` is the same as `-v -4 -i wan`.", "-v4iwan", "-cDIR/conf"),
	with("Interface in the file", "It is used where there is no `-i`.", "-c", "DIR/conf"),
	{
		name: "-i beside Interface", text: "The command line wins.", options: "\tInterface = lo\n", doors: door, manual: true,
		steps: []step{try(), send(knock(a))}, want: []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name: "-v", text: "What is logged of a knock is printed as well.", doors: door, manual: true,
		steps: []step{try("-v", "-i", "wan", "-c", "DIR/conf"), send(knock(a)), prints("echo opened for " + a), note(printed)},
		want:  []string{started, opened(a), "= printed:\n= " + strings.ReplaceAll(opened(a), "\n", "\n= ")}, out: openedOut(a),
	},
	{
		name: "-vD",
		text: "Debug messages are others in sesame, and are in its log as well.", doors: command(in), manual: true,
		steps:  []step{try("-vD", "-i", "wan", "-c", "DIR/conf"), send(syn(a, 7000))},
		want:   []string{started, remark("192.0.2.1:7000"), knocked(in)},
		knockd: []string{started, knocked(in)}, out: "in\n", other: "F",
	},
	{
		name: "-l",
		text: "knockd looks the name of an address up at its first knock, sesame when a door opens.", doors: one(""), manual: true,
		steps: []step{file("hosts", "192.0.2.2 laptop\n198.51.100.1 sentinel\n198.51.100.2 sentinel\n"),
			tryWith(mounted("hosts", "/etc/hosts"), "-l", "-i", "wan", "-c", "DIR/conf"), send(syn(a, 7000))},
		want:   []string{started, a + ": door: Stage 1", a + " (laptop): door: OPEN SESAME"},
		knockd: []string{started, opens(a+" (laptop)", "door", 1)}, other: "F",
	},
	{
		name: "-g beside LogFile",
		text: "In knockd the file wins, in sesame the command line, with a warning.", doors: door, manual: true,
		steps:  []step{try("-i", "wan", "-c", "DIR/conf", "-g", "DIR/log.1"), note(whichLog)},
		want:   []string{remark("LogFile = DIR/log is not used"), started, "= the log is in the file of -g"},
		knockd: []string{started, "= the log is in LogFile"}, other: "G",
	},
	ending("-h", "Prints the options; status 0.", 0, "-h"),
	ending("--help", "The same.", 0, "--help"),
	ending("-V", "Prints the version; status 0.", 0, "-V"),
	ending("--version", "The same.", 0, "--version"),
	ending("a file that is not there", "Neither starts.", 1, "-i", "wan", "-c", "DIR/nothing"),
	{
		name: "an interface that is not there", text: "knockd does not start; sesame waits for it.", doors: door, manual: true,
		steps:  []step{try("-i", "nowhere0", "-c", "DIR/conf"), wait("waiting for nowhere0", 1), signal(syscall.SIGTERM), exits},
		want:   []string{"starting up, listening on nowhere0", remark("waiting for nowhere0"), "shutting down", "= exit status 0"},
		knockd: []string{"= exit status 1"}, mend: 11,
	},
	{
		name: "an interface that is not there, with -d", text: "The status says whether the daemon runs.", doors: door, manual: true,
		steps: []step{detached("-d", "-i", "nowhere0", "-c", "DIR/conf", "-p", "DIR/pid"), killed},
		want: []string{"= exit status 0", "starting up, listening on nowhere0", remark("waiting for nowhere0"), "shutting down",
			"= the pidfile was pid"},
		knockd: []string{"= exit status 1"}, mend: 11,
	},
	ending("a file that is not there, with -d", "Neither starts, and the status says so.", 1, "-d", "-i", "wan", "-c", "DIR/nothing"),
	{
		name: "an unknown long option", text: "knockd ends with status 0, sesame with 1.", manual: true, doors: door,
		steps: []step{try("--nonsense")}, want: []string{"= exit status 1"}, knockd: []string{"= exit status 0"}, mend: 14,
	},
	{
		name: "an unknown short option", text: "The same.", manual: true, doors: door,
		steps: []step{try("-x")}, want: []string{"= exit status 1"}, knockd: []string{"= exit status 0"}, mend: 14,
	},
	{
		name: "-i any",
		text: "knockd starts and hears nothing; sesame listens on all interfaces.", manual: true, doors: door,
		steps: []step{try("-i", "any", "-c", "DIR/conf"), send(knock(a)), pause(5 * tenth), stopKnockd},
		want:  []string{"starting up, listening on any", opened(a)}, out: openedOut(a),
		knockd: []string{"starting up, listening on any"}, theirs: none, mend: 11,
	},
	{
		name: "without the right to listen", text: "Neither starts; sesame names the right that is missing.", manual: true, doors: door,
		steps:  []step{public, tryWith(nobody), says("CAP_NET_RAW")},
		want:   []string{"= exit status 1", "= it says CAP_NET_RAW"},
		knockd: []string{"= exit status 1", "= it does not say CAP_NET_RAW"}, mend: 16,
	},
}}

// prints waits until both have printed a text.
func prints(text string) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.sides {
			l.until(s, text, func() bool { return strings.Contains(stderr(l, s), text) })
		}
	}
}

// killed ends the daemon of sesame by its pidfile.
func killed(l *lab) {
	l.t.Helper()
	all := l.sides
	l.sides = all[sesame:]
	kill("pid")(l)
	l.sides = all
}

// detached runs both and waits until what was started has ended.
func detached(args ...string) step {
	return func(l *lab) {
		l.t.Helper()
		l.launch(nil, args...)
		for _, s := range l.sides {
			s.down = true
			s.noteExit(l)
		}
	}
}

// printed is what a daemon printed of the door.
func printed(_ *lab, s *side) string {
	text := "printed:"
	for _, line := range s.proc.Lines() {
		if strings.Contains(line, "door") {
			text += "\n" + line
		}
	}
	return text
}

func whichLog(_ *lab, s *side) string {
	if s.read("log") != "" {
		return "the log is in LogFile"
	}
	return "the log is in the file of -g"
}

var endings = group{"Start, end and log", []scenario{
	{
		name:    "in the background (-d)",
		text:    "The command ends with status 0 when the daemon listens; the pidfile is gone when the daemon is.",
		options: "\tPidFile = DIR/pid\n", doors: door, manual: true,
		steps: []step{background("-i", "wan", "-c", "DIR/conf"), send(knock(a)), settle, kill("pid")},
		want:  []string{"= exit status 0", started, opened(a), "shutting down", "= the pidfile was pid"}, out: openedOut(a),
	},
	{
		name: "-d with -p", text: "The pidfile is the one of the command line.", doors: door, manual: true,
		steps: []step{background("-i", "wan", "-c", "DIR/conf", "--pidfile", "DIR/pid"), settle, kill("pid")},
		want:  []string{"= exit status 0", started, "shutting down", "= the pidfile was pid"},
	},
	{
		name: "-p beside PidFile", text: "In knockd the file wins, in sesame the command line, with a warning.",
		options: "\tPidFile = DIR/pid.file\n", doors: door, manual: true,
		steps: []step{background("-i", "wan", "-c", "DIR/conf", "-p", "DIR/pid.line"), settle, kill("pid.*")},
		want: []string{"= exit status 0", remark("PidFile = DIR/pid.file is not used"), started,
			"shutting down", "= the pidfile was pid.line"},
		knockd: []string{"= exit status 0", started, "shutting down", "= the pidfile was pid.file"}, other: "G",
	},
	{
		name: "SIGTERM",
		text: "knockd ends with status 15, sesame with 0; Debian's service takes both for a clean end.", doors: door,
		steps: []step{settle, signal(syscall.SIGTERM), exits},
		want:  []string{"shutting down", "= exit status 0"}, knockd: []string{"shutting down", "= exit status 15"}, other: "G",
	},
	{
		name: "SIGINT", text: "knockd ends with status 2, sesame with 0.", doors: door,
		steps: []step{settle, signal(syscall.SIGINT), exits},
		want:  []string{"shutting down", "= exit status 0"}, knockd: []string{"shutting down", "= exit status 2"}, other: "G",
	},
	{
		name:   "SIGTERM with an open door",
		text:   "sesame shuts it and ends; knockd waits for the end of the lease, and leaves the door open when it is killed before.",
		doors:  leased("600"),
		steps:  []step{send(syn(a, 7000)), wrote("in", 1), settle, only(1), signal(syscall.SIGTERM), onSesame(exits), stopKnockd},
		want:   []string{opens(a, "door", 1), runs("door", in), "shutting down", remark(a + ": door: closing"), runs("door", out), "= exit status 0"},
		out:    "in\nout\n",
		knockd: []string{opens(a, "door", 1), runs("door", in)}, theirs: "in\n", mend: 2,
	},
	{
		name: "killed with an open door, and started again", text: "sesame runs the stop command that is due; knockd never does.",
		doors: leased("1"),
		steps: []step{send(syn(a, 7000)), wrote("in", 1), settle, crash, pause(11 * tenth), start, wait(started, 2), onSesame(wrote("out", 1))},
		want: []string{opens(a, "door", 1), runs("door", in), remark("open from before"), started,
			runs("door", out)}, out: "in\nout\n",
		knockd: []string{opens(a, "door", 1), runs("door", in), started}, theirs: "in\n", mend: 2,
	},
	{
		name: "the interface is removed",
		text: "knockd ends with status 0; sesame waits until it is there again.", doors: door,
		steps: []step{settle, run("ip", "link", "delete", "wan"), knockdExits, wait("waiting for wan", 1),
			signal(syscall.SIGTERM), exits},
		want:   []string{remark("wan is gone"), remark("waiting for wan"), "shutting down", "= exit status 0"},
		knockd: []string{"shutting down", "= exit status 0"}, mend: 11,
	},
	{
		name: "a log file that was there before", text: "It is written on.", doors: one(""), manual: true,
		steps: []step{file("log", "[2020-01-01 00:00] from before\n"), try(), send(syn(a, 7000))},
		want:  []string{"no date of today: from before", started, opens(a, "door", 1)},
	},
	{
		name: "the log file, byte for byte",
		text: "Dates and lines are the same; knockd writes an empty line after one that is about a command.", doors: command("exit 3"),
		steps:  []step{send(syn(a, 7000)), wait(fails("door", 3), 1), note(raw)},
		want:   []string{knocked("exit 3"), fails("door", 3), "= " + bytesOf("")},
		knockd: []string{knocked("exit 3"), fails("door", 3), "= " + bytesOf("\n")}, other: "F",
	},
	{
		name: "UseSyslog alone", text: "All lines go to syslog.", manual: true,
		steps: []step{file("conf", "[options]\n\tUseSyslog\n"+door+sentinel), syslogFile, tryWith(mounted("syslog", "/dev/log")), send(knock(a))},
		want:  []string{started, opened(a)}, out: openedOut(a),
	},
	{
		name:    "UseSyslog beside LogFile",
		text:    "Both get all lines; to syslog Debian's knockd gives facility daemon (`<29>`), sesame user (`<13>`), as does knockd where it is not Debian's.",
		options: "\tUseSyslog\n", doors: one(""), manual: true,
		steps:  []step{syslogd, tryWith(mounted("syslog", "/dev/log")), send(syn(a, 7000)), settle, note(syslogged)},
		want:   []string{started, opens(a, "door", 1), inSyslog(13, started, opens(a, "door", 1))},
		knockd: []string{started, opens(a, "door", 1), inSyslog(29, started, opens(a, "door", 1))}, other: "F",
	},
	{
		name:    "UseSyslog, with a command and a reload",
		text:    "To syslog knockd puts a newline behind some lines, and says that it opens the log file again.",
		options: "\tUseSyslog\n", doors: command(in), manual: true,
		steps: []step{syslogd, tryWith(mounted("syslog", "/dev/log")), send(syn(a, 7000)), wrote("in", 1), hup, settle, note(syslogged)},
		want:  []string{started, knocked(in), reread, inSyslog(13, started, knocked(in), reread)}, out: "in\n",
		knockd: []string{started, knocked(in), reread, inSyslog(29, started, knocked(in)+`\n`, reread+`\n`, `re-opening log file: DIR/log\n`)},
		other:  "F",
	},
}}

// bytesOf is the log of a door of one knock whose command fails; empty follows
// the line of the command.
func bytesOf(empty string) string {
	var text strings.Builder
	for _, line := range split([]string{started, knocked("exit 3"), fails("door", 3)}) {
		text.WriteString("[date] " + line + "\n")
		if strings.Contains(line, "running command") {
			text.WriteString(empty)
		}
	}
	return fmt.Sprintf("%q", text.String())
}

package diff_test

import (
	"fmt"
	"strings"
)

// one is a door of one knock with the given commands.
func one(lines string) string { return "\n[door]\n\tsequence = 7000\n\ttcpflags = syn\n" + lines }

func command(text string) string { return one("\tcommand = " + text + "\n") }

// knocked is what an opening of it by a logs, up to the command's line.
func knocked(text string) string { return opens(a, "door", 1) + "\n" + runs("door", text) }

const (
	in  = "echo in >> $OUT"
	out = "echo out >> $OUT"
)

func leased(timeout string) string {
	return one("\tstart_command = " + in + "\n\tcmd_timeout = " + timeout + "\n\tstop_command = " + out + "\n")
}

var commands = group{"Commands", []scenario{
	{
		name: "no command", text: "The door opens in the log, and nothing is run.",
		doors: one(""), steps: []step{send(syn(a, 7000))}, want: []string{opens(a, "door", 1)},
	},
	{
		name: "a start command alone", text: "The door stays open; nothing more is logged.",
		doors: one("\tstart_command = " + in + "\n\tcmd_timeout = 0\n"), steps: []step{send(syn(a, 7000))},
		want: []string{knocked(in)}, out: "in\n",
	},
	{
		name: "a stop command alone", text: "It is never run.",
		doors: one("\tcmd_timeout = 0\n\tstop_command = " + out + "\n"), steps: []step{send(syn(a, 7000))},
		want: []string{opens(a, "door", 1)},
	},
	{
		name: "an empty start command", text: "As none.",
		doors: one("\tstart_command =\n\tcmd_timeout = 0\n\tstop_command = " + out + "\n"), steps: []step{send(syn(a, 7000))},
		want: []string{opens(a, "door", 1)},
	},
	{
		name: "cmd_timeout = 0", text: "The stop command follows at once.",
		doors: leased("0"), steps: []step{send(syn(a, 7000))},
		want: []string{opens(a, "door", 1), lease(a, "door", in, out)}, out: "in\nout\n",
	},
	{
		name: "cmd_timeout = 1", text: "The stop command follows after a second.",
		doors: one("\tstart_command = " + uptime + " > $OUT.start\n\tcmd_timeout = 1\n\tstop_command = " + passed + "\n"),
		steps: []step{send(syn(a, 7000))},
		want:  []string{opens(a, "door", 1), lease(a, "door", uptime+" > $OUT.start", passed)}, out: "a second\n",
	},
	{
		name: "a slow start command", text: "The time of the stop command begins when the start command has ended.",
		doors: one("\tstart_command = sleep 1; " + uptime + " > $OUT.start\n\tcmd_timeout = 1\n\tstop_command = " + passed + "\n"),
		steps: []step{send(syn(a, 7000))},
		want:  []string{opens(a, "door", 1), lease(a, "door", "sleep 1; "+uptime+" > $OUT.start", passed)}, out: "a second\n",
	},
	{
		name: "a start command that fails", text: "Its status is logged, and the stop command is run all the same.",
		doors: one("\tstart_command = exit 3\n\tcmd_timeout = 0\n\tstop_command = " + out + "\n"), steps: []step{send(syn(a, 7000))},
		want: []string{knocked("exit 3"), fails("door", 3), ends(a, "door"), runs("door", out)}, out: "out\n",
	},
	{
		name: "an empty stop command", text: "knockd waits, and runs an empty command; sesame runs none.",
		doors: one("\tstart_command = " + in + "\n\tcmd_timeout = 0\n\tstop_command =\n"), steps: []step{send(syn(a, 7000))},
		want: []string{knocked(in)}, out: "in\n",
		knockd: []string{opens(a, "door", 1), lease(a, "door", in, "")}, other: "E",
	},
	{
		name: "a command that is not there", text: "The shell's status 127 is logged.",
		doors: command("/nonexistent/ufw 2> /dev/null"), steps: []step{send(syn(a, 7000))},
		want: []string{knocked("/nonexistent/ufw 2> /dev/null"), fails("door", 127)},
	},
	{
		name: "a stop command that fails", text: "Its status is logged; sesame runs it again, knockd leaves the door open.",
		doors: one("\tstart_command = " + in + "\n\tcmd_timeout = 0\n\tstop_command = " + flaky + "\n"),
		steps: []step{send(syn(a, 7000)), settle, onSesame(wrote("out", 1))},
		want: []string{opens(a, "door", 1), lease(a, "door", in, flaky), fails("door", 4),
			remark(a + ": door: the door may still be open"), runs("door", flaky)},
		out:    "in\nout\n",
		knockd: []string{opens(a, "door", 1), lease(a, "door", in, flaky), fails("door", 4)}, theirs: "in\n", other: "E",
	},
	{
		name: "a command that a signal ends", text: "knockd logs the status 0, sesame the signal.",
		doors: command("kill -9 $$"), steps: []step{send(syn(a, 7000))},
		want:   []string{knocked("kill -9 $$"), remark("signal 9")},
		knockd: []string{knocked("kill -9 $$"), fails("door", 0)}, other: "E",
	},
	{
		name: "%IP% in several places", text: "Each is replaced, also within a word, with /32 behind it and in quotes.",
		doors: command(places), steps: []step{send(syn(a, 7000))},
		want: []string{opens(a, "door", 1), runs("door", strings.ReplaceAll(places, "%IP%", a))},
		out:  strings.ReplaceAll("%IP% x%IP%y %IP%/32 %IP% %IP% %ip% %IP\n", "%IP%", a),
	},
	shell("pipes", `echo b a | tr ' ' '\n' | sort | tr -d '\n' >> $OUT; echo >> $OUT`, "ab\n"),
	shell("quotes", `echo "two  words" 'and $OUT' >> $OUT`, "two  words and $OUT\n"),
	shell("several commands in a line", `echo 1 >> $OUT; false || echo 2 >> $OUT && echo 3 >> $OUT`, "1\n2\n3\n"),
	shell("a # in a command", `echo a#b >> $OUT # the shell's comment`, "a#b\n"),
	shell("an = in a command", `x=5 y=6; echo $x=$y >> $OUT`, "5=6\n"),
	shell("variables and substitution", `for i in 1 2; do echo $(printf %02d $i) $((i+1)) >> $OUT; done`, "01 2\n02 3\n"),
	shell("backslashes and percent signs", `printf '%s\t100%%\n' 'a\b' >> $OUT`, "a\\b\t100%\n"),
	shell("brackets and braces", `[ -n "$OUT" ] && { echo yes; } >> $OUT`, "yes\n"),
	shell("a command in the background", `(echo first >> $OUT) & wait; echo second >> $OUT`, "first\nsecond\n"),
	shell("the working directory", `pwd >> $OUT`, "/\n"),
	{
		name: "a command that runs on", text: "It does not hold up other doors.",
		doors: command("sleep 300") + "\n[quick]\n\tsequence = 6000\n\tcommand = " + in,
		steps: []step{send(syn(a, 7000)), wait(runs("door", "sleep 300"), 1), send(syn(a, 6000))},
		want:  []string{knocked("sleep 300"), opens(a, "quick", 1), runs("quick", in)}, out: "in\n",
	},
	{
		name: "a command's output", text: "sesame writes it to the log; knockd hands it to its own standard output, which the journal collects where it runs as a service.",
		doors: command("echo said"), steps: []step{send(syn(a, 7000))},
		want: []string{knocked("echo said"), "said"}, knockd: []string{knocked("echo said")}, other: "F",
	},
	{
		name: "a command of 2,000 characters", text: "It is run whole; knockd's log line ends after 1,023 characters.",
		doors: command(long), steps: []step{send(syn(a, 7000))},
		want: []string{knocked(long)}, out: "long\n",
		knockd: []string{opens(a, "door", 1), runs("door", long)[:1023]}, other: "F",
	},
	{
		name: "a command of more than 4,095 characters with the address in it", text: "knockd does not run it.",
		doors: command("true" + strings.Repeat(" %IP%", 350)), steps: []step{send(syn(longest, 7000))},
		want:   []string{opens(longest, "door", 1), runs("door", "true"+strings.Repeat(" "+longest, 350))},
		knockd: []string{opens(longest, "door", 1), "error: parsed start command has been truncated! --> won't execute it"}, other: "E",
	},
	{
		name: "two addresses open one door", text: "Each has its own lease.",
		doors: one("\tstart_command = echo in %IP% >> $OUT\n\tcmd_timeout = 2\n\tstop_command = echo out %IP% >> $OUT\n"),
		steps: []step{send(syn(a, 7000)), wrote("in "+a, 1), send(syn(b, 7000)), wrote("out "+b, 1)},
		want: []string{opens(a, "door", 1), opens(b, "door", 1),
			runs("door", "echo in "+a+" >> $OUT"), runs("door", "echo in "+b+" >> $OUT"),
			ends(a, "door"), runs("door", "echo out "+a+" >> $OUT"), ends(b, "door"), runs("door", "echo out "+b+" >> $OUT")},
		out: "in " + a + "\nin " + b + "\nout " + a + "\nout " + b + "\n",
	},
	{
		name: "a knock while the door is open", text: "knockd runs the start command again, and later both stop commands; sesame renews the lease.",
		doors: leased("2"), steps: []step{send(syn(a, 7000)), wrote("in", 1), settle, send(syn(a, 7000)), settle, wrote("out", 1)},
		want: []string{opens(a, "door", 1), opens(a, "door", 1), runs("door", in),
			remark(a + ": door: already open"), ends(a, "door"), runs("door", out)}, out: "in\nout\n",
		knockd: []string{opens(a, "door", 1), opens(a, "door", 1), runs("door", in), lease(a, "door", in, out), ends(a, "door"), runs("door", out)},
		theirs: "in\nin\nout\nout\n", mend: 2,
	},
	{
		name: "processes that wait for the end of a lease", text: "knockd has one for each open door, sesame none.",
		doors: leased("600"), steps: []step{send(syn(a, 7000), syn(b, 7000), syn(c, 7000)), wrote("in", 3), settle, only(3), note(children)},
		want: []string{openedFor3, "= 0 processes"}, knockd: []string{openedFor3, "= 3 processes"},
		out: "in\nin\nin\n", mend: 3,
	},
}}

// openedFor3 is what a door of one knock logs for three addresses.
var openedFor3 = opens(a, "door", 1) + "\n" + opens(b, "door", 1) + "\n" + opens(c, "door", 1) +
	strings.Repeat("\n"+runs("door", in), 3)

// places has the address in all sorts of places.
const places = `echo %IP% x%IP%y %IP%/32 '%IP%' "%IP%" %ip% %IP >> $OUT`

// longest is an address that takes as much room as one can.
const longest = "203.113.200.100"

// flaky fails the first time.
const flaky = `if [ -e $OUT.once ]; then echo out >> $OUT; else touch $OUT.once; exit 4; fi`

var long = "true " + strings.Repeat("x", 2000) + "; echo long >> $OUT"

// uptime prints hundredths of a second since the machine was started.
const uptime = `cut -d' ' -f1 /proc/uptime | tr -d .`

// passed says whether $OUT.start was written about a second ago.
const passed = `t=$(($(` + uptime + `) - $(cat $OUT.start))); [ $t -ge 100 ] && [ $t -lt 500 ] && echo a second >> $OUT`

// shell is a scenario for a form of command.
func shell(what, text, writes string) scenario {
	return scenario{
		name: what, text: fmt.Sprintf("Run by /bin/sh: `%s`.", text), doors: command(text),
		steps: []step{send(syn(a, 7000))}, want: []string{knocked(text)}, out: writes,
	}
}

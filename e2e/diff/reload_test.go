package diff_test

import (
	"os"
	"strings"
)

var kept = remark("the configuration in force stays")

var reloads = group{"Reload (SIGHUP)", []scenario{
	{
		name: "the same file again", text: "The door opens as before.", doors: door,
		steps: []step{reload(door), send(knock(a))}, want: []string{reread, opened(a)}, out: openedOut(a),
	},
	{
		name: "a new door", text: "It is there, and the others are still.", doors: door2("old", 7000, 8000),
		steps: []step{reload(door2("old", 7000, 8000) + door2("new", 6000, 5000)), send(syn(a, 6000, 5000), syn(b, 7000, 8000))},
		want:  []string{reread, opens(a, "new", 2), opens(b, "old", 2)},
	},
	{
		name: "a door removed", text: "It is no more.", doors: door2("old", 7000, 8000) + door2("stays", 6000, 5000),
		steps: []step{reload(door2("stays", 6000, 5000)), send(syn(a, 7000, 8000), syn(b, 6000, 5000))},
		want:  []string{reread, opens(b, "stays", 2)},
	},
	{
		name: "other ports", text: "The new ones are in force, the old ones are not.", doors: door2("door", 7000, 8000),
		steps: []step{reload(door2("door", 6000, 5000)), send(syn(a, 7000, 8000), syn(b, 6000, 5000))},
		want:  []string{reread, opens(b, "door", 2)},
	},
	{
		name: "another command", text: "It is in force.", doors: command("echo old >> $OUT"),
		steps: []step{send(syn(a, 7000)), wrote("old", 1), reload(command("echo new >> $OUT")), send(syn(b, 7000))},
		want:  []string{knocked("echo old >> $OUT"), reread, opens(b, "door", 1), runs("door", "echo new >> $OUT")},
		out:   "old\nnew\n",
	},
	{
		name: "while a door is open", text: "Its stop command is run in time, the one that was in force at its opening.",
		doors: leased("2"), steps: []step{send(syn(a, 7000)), wrote("in", 1), reload(one("")), wrote("out", 1)},
		want: []string{opens(a, "door", 1), lease(a, "door", in, out), reread}, out: "in\nout\n",
	},
	{
		name: "a log file that was moved", text: "As logrotate does it: what comes later is in a new file of the old name.",
		doors: one(""),
		steps: []step{send(syn(a, 7000)), settle, move("log", "log.1"), hangUp, reopened("log"),
			send(syn(b, 7000)), settle, note(openings)},
		want: []string{opens(a, "door", 1), reread, opens(b, "door", 1), "= log.1: " + a + "\n= log: " + b + "\n= log.2: "},
	},
	{
		name: "another log file", text: "What comes later is in the new one.", doors: one(""),
		steps: []step{send(syn(a, 7000)), settle, file("conf", "[options]\n\tLogFile = DIR/log.2\n"+one("")+sentinel),
			hangUp, reopened("log.2"), send(syn(b, 7000)), settle, note(openings)},
		want: []string{opens(a, "door", 1), reread, opens(b, "door", 1), "= log.1: \n= log: " + a + "\n= log.2: " + b},
	},
	{
		name: "in the middle of a knock", text: "knockd forgets what was knocked so far.", doors: door,
		steps: []step{send(syn(a, 7000, 8000)), reload(door), send(syn(a, 9000))},
		want:  []string{stage(a, "door", 1, 2), reread, stage(a, "door", 3), a + ": door: OPEN SESAME", runs("door", "echo opened for "+a+" >> $OUT")},
		out:   openedOut(a), knockd: []string{stage(a, "door", 1, 2), reread}, theirs: none, mend: 10,
	},
	{
		name: "a file with a mistake", text: "knockd ends; sesame says what is wrong and keeps to the old file.", doors: door,
		steps: []step{file("conf", "[options]\n\tLogFile = DIR/log\n[door]\n\tsequence = 1\n\tnonsense = 1\n"),
			hangUp, knockdExits, send(knock(a))},
		want: []string{reread, remark("DIR/conf:5: nonsense: "), kept, opened(a)}, out: openedOut(a),
		knockd: []string{reread, "= exit status 1"}, theirs: none, mend: 10,
	},
	{
		name: "a file that is not there any more", text: "The same.", doors: door,
		steps: []step{remove("conf"), hangUp, knockdExits, send(knock(a))},
		want:  []string{reread, remark("DIR/conf: no such file or directory"), kept, opened(a)}, out: openedOut(a),
		knockd: []string{reread, "= exit status 1"}, theirs: none, mend: 10,
	},
}}

// reopened waits after SIGHUP for a log file that was not there before.
func reopened(name string) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.sides {
			l.until(s, "a new log file", func() bool { _, err := os.Stat(s.file(name)); return err == nil })
		}
		l.awake()
	}
}

// openings notes who opened the door according to which log file.
func openings(_ *lab, s *side) string {
	var notes []string
	for _, name := range []string{"log.1", "log", "log.2"} {
		var who []string
		for line := range strings.Lines(s.read(name)) {
			line, _ := dated(line)
			if src, ok := strings.CutSuffix(line, ": door: OPEN SESAME\n"); ok {
				who = append(who, src)
			}
		}
		notes = append(notes, name+": "+strings.Join(who, " "))
	}
	return strings.Join(notes, "\n")
}

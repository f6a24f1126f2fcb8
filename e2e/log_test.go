package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
)

// logged is what every log target must have got of one opened door, in order.
var logged = []string{
	"starting up, listening on " + netns.GatewayIf,
	client + ": door: Stage 1",
	client + ": door: Stage 2",
	client + ": door: Stage 3",
	client + ": door: OPEN SESAME",
	"door: running command: echo opened > ",
}

// logDoor is a door whose command says through a named pipe that it ran.
func logDoor(options, pipe string) string {
	return "[options]\n\t" + options + `
[door]
	sequence = 7000,8000,9000
	tcpflags = syn
	command = echo opened > ` + pipe + "\n"
}

// stamp is what stands before a line in a log file.
var stamp = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d\] `)

func TestLogFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	pipe, err := os.OpenFile(l.fifo("pipe"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	path := l.file("knockd.log", "[2020-01-01 00:00] what was there before\n")
	read := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return string(b)
	}
	p := l.launch(d, "-i", netns.GatewayIf, "-c",
		l.file("knockd.conf", logDoor("LogFile = "+path, pipe.Name())))
	eventually(t, "the log file's first line", func() bool { return strings.Contains(read(), logged[0]) })

	knock := func() {
		l.knock(gateway, "7000", "8000", "9000")
		if _, err := pipe.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	knock()
	checkLog(t, read(), append([]string{"what was there before"}, logged...))

	// What logrotate does.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new log file", func() bool { _, err := os.Stat(path); return err == nil })
	if testsKnockd() {
		return // it may hear no knock for a while after that
	}
	knock()
	checkLog(t, read(), logged[1:])
}

func checkLog(t *testing.T, text string, want []string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" && testsKnockd() {
			continue // it puts one after each command
		}
		if !stamp.MatchString(line) {
			t.Errorf("line without a date: %q", line)
		}
		if len(want) > 0 && strings.Contains(line, want[0]) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("no line %q, or not in its place:\n%s", want[0], text)
	}
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	logger := l.helper(l.gw, "bound", "syslog", "/dev/log")
	pipe, err := os.OpenFile(l.fifo("pipe"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	path := filepath.Join(l.dir, "log")
	l.launch(d, "-i", netns.GatewayIf, "-c", l.file("knockd.conf", logDoor("UseSyslog\n\tLogFile = "+path, pipe.Name())))
	logger.wait(logged[0])
	l.knock(gateway, "7000", "8000", "9000")
	if _, err := pipe.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	for _, line := range logged {
		logger.wait(line)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	checkLog(t, string(file), logged)
	// The number is the facility times 8 plus the level (RFC 3164, section
	// 4.1.1): user (1) and notice (5). Debian's knockd says daemon (3).
	pri := "13"
	if testsKnockd() {
		pri = "29"
	}
	form := regexp.MustCompile(`^<` + pri + `>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d knockd(\[\d+\])?: `)
	for _, line := range logger.Lines()[1:] {
		if !form.MatchString(line) {
			t.Errorf("syslog line %q does not look like %s", line, form)
		}
	}
}

func TestLogToDeviceFiles(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/dev/stdout", "/dev/stderr"} {
		t.Run(file[len("/dev/"):], func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			p := l.launch(underTest(t), "-i", netns.GatewayIf, "-c",
				l.file("knockd.conf", "[options]\n\tlogfile = "+file+"\n"+door))
			p.wait("starting up, listening on " + netns.GatewayIf)
			if first := p.Lines()[0]; !stamp.MatchString(first) {
				t.Errorf("first line %q has no date", first)
			}
		})
	}
}

// Under a supervisor the journal adds the date.
func TestStderrHasNoDate(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it does not log to the standard error")
	l := newLab(t)
	d := l.start(door)
	l.settle(d)
	for _, line := range d.Lines() {
		if stamp.MatchString(line) {
			t.Errorf("line %q has a date", line)
		}
	}
	if first := d.Lines()[0]; first != logged[0] {
		t.Errorf("first line %q, want %q", first, logged[0])
	}
}

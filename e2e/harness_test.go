package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

const (
	gateway = netns.Gateway4
	client  = netns.Client4
	other   = "192.0.2.3" // the client's too; a stranger to the daemon
)

// lab is a gateway and a client for one test.
type lab struct {
	t         *testing.T
	gw, cl    *netns.Space
	dir       string // for files; seen in both, and open to every user
	sentinels atomic.Int32
}

// newLab makes the two namespaces. When the test is over nothing of them is
// left, and a process that sesame left in the gateway is a failure.
func newLab(t *testing.T) *lab {
	t.Helper()
	suite.NeedRoot(t)
	suite.Need(t, "ip", "nsenter", "knock")
	gw, cl, err := netns.Pair()
	if suite.Denied(err) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sesame-lab")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, gw: gw, cl: cl, dir: dir}
	t.Cleanup(func() {
		l.wantNoStrays()
		if err := cl.Close(); err != nil {
			t.Error(err)
		}
		if err := gw.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return l
}

// run runs a command on the gateway and returns what it printed.
func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := l.gw.Output(name, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// file writes a file into the lab's folder and returns its path.
func (l *lab) file(name, text string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// process is a program in a namespace whose output a test waits for.
type process struct {
	*netns.Process
	t *testing.T
}

// spawn starts a program that is ended with the test.
func (l *lab) spawn(s *netns.Space, name string, args ...string) *process {
	l.t.Helper()
	p, err := netns.Start(s.Command(name, args...))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.Kill)
	return &process{p, l.t}
}

// helper starts one of netns's helper programs and waits for its first words.
func (l *lab) helper(s *netns.Space, ready, role string, args ...string) *process {
	l.t.Helper()
	p, err := netns.Start(s.Helper(role, args...))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.Kill)
	h := &process{p, l.t}
	h.wait(ready)
	return h
}

// sentinel is a door that stays out of the other doors' way; see settle.
const sentinel = `
[sentinel]
	sequence = 50111,40222
	seq_timeout = 600
	tcpflags = syn
`

// config writes a knockd.conf: the daemon's own way to log, doors, sentinel.
func (l *lab) config(d daemon, doors string) string {
	l.t.Helper()
	return l.file("knockd.conf", "[options]\n\t"+d.options+"\n"+doors+sentinel)
}

// start starts the daemon under test with a configuration of doors, and
// returns when it listens.
func (l *lab) start(doors string) *process {
	l.t.Helper()
	d := underTest(l.t)
	p := l.launch(d, "-i", netns.GatewayIf, "-c", l.config(d, doors))
	p.wait("starting up, listening on " + netns.GatewayIf)
	return p
}

// launch starts the daemon with the given arguments. At the end of the test it
// is asked to exit, and must, with all that it started.
func (l *lab) launch(d daemon, args ...string) *process {
	l.t.Helper()
	p := l.spawn(l.gw, d.path, args...)
	l.t.Cleanup(func() { l.stop(p) })
	return p
}

func (l *lab) stop(p *process) {
	if l.t.Failed() {
		lines := p.Lines()
		l.t.Logf("%s printed %d lines, the last of them:\n%s", p.Name, len(lines), strings.Join(lines[max(0, len(lines)-200):], "\n"))
	}
	if !p.Exited() {
		if err := p.Signal(syscall.SIGTERM); err != nil && !p.Exited() {
			l.t.Error(err)
		}
		p.exit()
	}
}

// wantNoStrays fails the test for processes that are left when all daemons
// have been ended.
func (l *lab) wantNoStrays() {
	l.t.Helper()
	if testsKnockd() {
		return // it leaves a process for each open door
	}
	// What was killed a moment ago may not be quite dead yet.
	var left []string
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if left = l.strays(); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, line := range left {
		l.t.Errorf("a process is left: %s", line)
	}
}

// strays returns the processes on the gateway that are not the harness's.
func (l *lab) strays() []string {
	l.t.Helper()
	all, err := l.gw.Processes()
	if err != nil {
		l.t.Error(err)
	}
	var list []string
	for pid, line := range all {
		if !strings.Contains(line, os.Args[0]) {
			list = append(list, fmt.Sprint(pid, " ", line))
		}
	}
	return list
}

// has matches the lines that contain text.
func has(text string) func(string) bool {
	return func(line string) bool { return strings.Contains(line, text) }
}

// output is has without the log line that quotes a command before it runs.
func output(text string) func(string) bool {
	return func(line string) bool {
		return strings.Contains(line, text) && !strings.Contains(line, ": running command: ")
	}
}

// wait returns when the program has printed a line with text in it.
func (p *process) wait(text string) {
	p.t.Helper()
	if err := p.Wait(text, has(text), 1, netns.Deadline); err != nil {
		p.t.Fatal(err)
	}
}

// hear is wait for what a command printed.
func (p *process) hear(text string) {
	p.t.Helper()
	if err := p.Wait("output "+text, output(text), 1, netns.Deadline); err != nil {
		p.t.Fatal(err)
	}
}

// want fails the test unless exactly n lines so far contain text.
func (p *process) want(text string, n int) {
	p.t.Helper()
	if got := p.Count(has(text)); got != n {
		p.t.Errorf("%d lines with %q, want %d; printed:\n%s", got, text, n, strings.Join(p.Lines(), "\n"))
	}
}

// pause stops the program, and returns when all of its threads have stopped.
func (p *process) pause() {
	p.t.Helper()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	p.awaitPause()
}

func (p *process) awaitPause() {
	p.t.Helper()
	eventually(p.t, "the program to stop", p.Paused)
}

// exit returns the program's exit status when it has ended.
func (p *process) exit() int {
	p.t.Helper()
	code, err := p.Exit(netns.Deadline)
	if err != nil {
		p.t.Error(err)
	}
	return code
}

// eventually polls for what sends no event of its own, such as a file.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(netns.Deadline); time.Now().Before(end); <-tick.C {
		if done() {
			return
		}
	}
	t.Fatalf("waited for %s", what)
}

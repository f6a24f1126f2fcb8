package diff_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// lab is a gateway with both daemons, and a client, for one scenario.
type lab struct {
	t         *testing.T
	gw, cl    *netns.Space
	home      *os.File // the gateway's network namespace
	wire      link
	dir       string
	sides     []*side
	sentinels int
}

// side is one of the two daemons with its own files. In the text of a scenario
// DIR is their folder, and the environment variable OUT names a file in it.
type side struct {
	name, path string
	dir        string
	proc       *netns.Process
	down       bool     // it has ended, as it should, or is left alone
	notes      []string // what a scenario observed besides the log
	syslog     datagrams
}

// The indexes of lab.sides.
const (
	knockd = iota
	sesame
)

// newLab makes the two namespaces. Nothing of them outlives the test.
func newLab(t *testing.T) *lab {
	t.Helper()
	need(t)
	gw, cl, err := netns.Pair()
	if suite.Denied(err) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, gw: gw, cl: cl}
	t.Cleanup(l.close)
	if l.dir, err = os.MkdirTemp("", "sesame-diff"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"knockd", sesamePath} {
		s := &side{name: []string{"knockd", "sesame"}[i], path: path}
		s.dir = filepath.Join(l.dir, s.name)
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		l.sides = append(l.sides, s)
	}
	if l.home, err = namespace(gw); err != nil {
		t.Fatal(err)
	}
	if l.wire, err = openWire(l.home, cl); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) close() {
	for _, s := range l.sides {
		if s.proc == nil {
			continue
		}
		s.proc.Kill()
		if out := s.proc.Lines(); l.t.Failed() && len(out) > 0 {
			l.t.Logf("%s printed:\n%s", s.name, strings.Join(out, "\n"))
		}
	}
	if l.wire != nil {
		l.wire.close()
	}
	if l.home != nil {
		l.home.Close()
	}
	for _, space := range []*netns.Space{l.cl, l.gw} {
		if err := space.Close(); err != nil {
			l.t.Error(err)
		}
	}
	if err := os.RemoveAll(l.dir); err != nil {
		l.t.Error(err)
	}
}

// own puts a side's folder into a text, and common takes it out.
func (s *side) own(text string) string    { return strings.ReplaceAll(text, "DIR", s.dir) }
func (s *side) common(text string) string { return strings.ReplaceAll(text, s.dir, "DIR") }

// file returns the path of one of the side's files.
func (s *side) file(name string) string { return filepath.Join(s.dir, name) }

// read returns a file's content; "" if it is not there.
func (s *side) read(name string) string {
	b, err := os.ReadFile(s.file(name))
	if err != nil {
		return ""
	}
	return s.common(string(b))
}

// log returns the whole log, with the parts that a scenario has elsewhere.
func (s *side) log() string { return s.read("log.1") + s.read("log") + s.read("log.2") }

// note adds lines to what is compared.
func (s *side) note(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		s.notes = append(s.notes, "= "+line)
	}
}

// write writes a file of both sides.
func (l *lab) write(name, text string) {
	l.t.Helper()
	for _, s := range l.sides {
		text := s.own(text)
		if s.name == "sesame" && strings.Contains(text, sentinel) {
			// A decoy drawn at random could be what a scenario knocks on.
			text += "\n[options]\n\tdecoys = 0\n"
		}
		if err := os.WriteFile(s.file(name), []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}

// configure writes both configurations.
func (l *lab) configure(options, doors string) {
	l.t.Helper()
	l.write("conf", "[options]\n"+options+"\n"+doors+sentinel)
}

// launch starts both daemons with the given arguments; prefix is a command that
// starts the one given as its further arguments.
func (l *lab) launch(prefix []string, args ...string) {
	l.t.Helper()
	for _, s := range l.sides {
		words := append(append(append([]string(nil), prefix...), s.path), args...)
		for i := range words {
			words[i] = s.own(words[i])
		}
		cmd := l.gw.Command(words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "OUT="+s.file("out"))
		var err error
		if s.proc, err = netns.Start(cmd); err != nil {
			l.t.Fatal(err)
		}
	}
}

// up returns the daemons that run.
func (l *lab) up() []*side {
	var list []*side
	for _, s := range l.sides {
		if !s.down {
			list = append(list, s)
		}
	}
	return list
}

// sentinel is a door that no scenario knocks on. A knock on it from an address
// of its own shows that everything sent before has been dealt with: knockd reads
// packets in order, but up to 50 ms late. Its command shows the same of commands.
const sentinel = `
[sentinel]
	sequence = 40222:udp
	seq_timeout = 600
	command = true %IP%
`

// sendSentinel knocks on it and returns the address that did.
func (l *lab) sendSentinel() string {
	l.t.Helper()
	l.sentinels++
	src := fmt.Sprint(sentinels, l.sentinels)
	l.wire.send(l.t, netns.UDP(src, gateway, 40222))
	return src
}

// sentinels is how the addresses begin.
const sentinels = "198.51.100."

// passed reports whether the sentinel from an address has come through.
func (s *side) passed(src string) bool {
	log := strings.ReplaceAll(s.log(), src+" (sentinel): ", src+": ") // its name, with -l
	return strings.Contains(log, "] "+src+": sentinel: OPEN SESAME\n") &&
		strings.Contains(log, "] sentinel: running command: true "+src+"\n")
}

// settle waits until both daemons have dealt with all that was sent.
func (l *lab) settle() {
	l.t.Helper()
	if len(l.up()) == 0 {
		return
	}
	src := l.sendSentinel()
	for _, s := range l.up() {
		l.until(s, "the sentinel", func() bool { return s.passed(src) })
	}
}

// until polls: files send no events of their own.
func (l *lab) until(s *side, what string, done func() bool) {
	l.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(netns.Deadline); time.Now().Before(end); <-tick.C {
		if done() {
			return
		}
	}
	l.t.Fatalf("%s: waited for %s; log:\n%s", s.name, what, s.log())
}

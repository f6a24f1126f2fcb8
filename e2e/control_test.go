package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/control"
	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// served is a daemon that can be asked over its control socket.
type served struct {
	*process
	l      *lab
	conf   string
	socket string
}

// serve starts the daemon with a configuration of doors. Lines before the first
// section belong to [options].
func (l *lab) serve(doors string) *served {
	l.t.Helper()
	return l.serveFile(l.config(underTest(l.t), doors))
}

// serveFile starts the daemon, with args before its usual ones.
func (l *lab) serveFile(conf string, args ...string) *served {
	l.t.Helper()
	d := underTest(l.t)
	s := l.servedBy(l.launch(d, append(args, "-i", netns.GatewayIf, "-c", conf)...), conf)
	s.wait("starting up, listening on " + netns.GatewayIf)
	return s
}

func (l *lab) servedBy(p *process, conf string) *served {
	name := strings.ReplaceAll(strings.TrimPrefix(conf, "/"), "/", "+") + "@" + netns.GatewayIf
	return &served{process: p, l: l, conf: conf, socket: filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), name+control.Suffix)}
}

// stateFile is where the daemon keeps its leases if nothing else is said.
func (s *served) stateFile() string {
	return filepath.Join(os.Getenv("STATE_DIRECTORY"), strings.TrimSuffix(filepath.Base(s.socket), control.Suffix))
}

// kill ends the daemon as a crash does.
func (s *served) kill() {
	s.t.Helper()
	if err := s.Signal(syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.exit()
}

// again starts a daemon that has ended once more.
func (s *served) again() *served {
	s.t.Helper()
	return s.l.serveFile(s.conf)
}

// signal sends a signal to the daemon.
func (s *served) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// status is what the daemon says of itself.
func (s *served) status() *control.Status {
	s.t.Helper()
	st, err := control.Read(s.socket)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// lease is the one lease of a door for an address, which must be there.
func (s *served) lease(door, address string) control.Door {
	s.t.Helper()
	doors := s.status().Doors
	i := slices.IndexFunc(doors, func(d control.Door) bool { return d.Name == door && d.Address == address })
	if i < 0 {
		s.t.Fatalf("no lease of %s for %s among %v", door, address, doors)
	}
	return doors[i]
}

// ask makes a request and returns the last word of the answer.
func ask(socket string, words ...string) (answer string, err error) {
	request := words[0]
	for _, w := range words[1:] {
		request += " " + strconv.Quote(w)
	}
	err = control.Ask(socket, []byte(request+"\n"), func(words []string) error {
		answer = words[len(words)-1]
		return nil
	})
	return answer, err
}

// open asks to open a door and wants the outcome.
func (s *served) open(door, address, outcome string) {
	s.t.Helper()
	if got, err := ask(s.socket, "open", door, address); got != outcome || err != nil {
		s.t.Fatalf("open %s %s: %q, %v, want %s", door, address, got, err, outcome)
	}
}

// shut asks to shut doors and wants it to be n.
func (s *served) shut(n int, words ...string) {
	s.t.Helper()
	if got, err := ask(s.socket, append([]string{"close"}, words...)...); got != strconv.Itoa(n) || err != nil {
		s.t.Fatalf("close %q: %q, %v, want %d", words, got, err, n)
	}
}

// awaitState returns when the lease of a door for an address has a state.
func (s *served) awaitState(door, address, state string) control.Door {
	s.t.Helper()
	var d control.Door
	eventually(s.t, door+" for "+address+" to be "+state, func() bool {
		d = s.lease(door, address)
		return d.State == state
	})
	return d
}

// awaitShut returns when no lease is left.
func (s *served) awaitShut() {
	s.t.Helper()
	eventually(s.t, "every door to be shut", func() bool { return len(s.status().Doors) == 0 })
	s.flush()
}

// awaitOpen returns when n leases are open and no command for one runs.
func (s *served) awaitOpen(n int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprint(n, " doors to be open"), func() bool {
		doors := s.status().Doors
		return len(doors) == n && !slices.ContainsFunc(doors, func(d control.Door) bool { return d.State != "open" })
	})
	s.flush()
}

// flush returns when the lines that the daemon has logged are here: its log
// and its answers come on different ways.
func (s *served) flush() {
	s.t.Helper()
	src := fmt.Sprintf("2001:db8:f::%d", s.l.sentinels.Add(1))
	s.open("sentinel", src, "nothing")
	s.wait(src + ": sentinel: OPEN SESAME, by hand")
}

// end asks the daemon to exit and returns how long that took.
func (s *served) end(status int) time.Duration {
	s.t.Helper()
	began := time.Now()
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != status {
		s.t.Errorf("exit status %d, want %d", code, status)
	}
	return time.Since(began)
}

// command runs sesame as a user does, on the gateway, and returns its exit
// status and what it printed.
func (l *lab) command(args ...string) (code int, out string) {
	l.t.Helper()
	return finish(l.t, l.gw.Command(underTest(l.t).path, args...))
}

// files are the names in a folder of the lab that is for a door's commands.
func (l *lab) files(name string) []string {
	l.t.Helper()
	entries, err := os.ReadDir(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// folder makes a folder in the lab.
func (l *lab) folder(name string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// nftGate sets up a firewall that lets the members of a set in, and returns the
// commands that add one and take it back.
func (l *lab) nftGate() (add, remove string) {
	l.t.Helper()
	suite.Need(l.t, "nft")
	l.run("nft", "add table inet gate { set friends { type ipv4_addr; }; "+
		"chain input { type filter hook input priority 0; policy drop; ip saddr @friends tcp dport 22 accept; }; }")
	// To take back what is not there is no failure: a daemon that was killed
	// does not know how far its command came.
	const element = " element inet gate friends { %IP% }"
	return "/usr/sbin/nft 'add" + element + "'", "/usr/sbin/nft 'add" + element + "; delete" + element + "'"
}

// friends are the members of the gate's set.
func (l *lab) friends() []string {
	l.t.Helper()
	_, after, _ := strings.Cut(l.run("nft", "list", "set", "inet", "gate", "friends"), "elements = {")
	list, _, _ := strings.Cut(after, "}")
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" ,\t\n", r) })
}

// wantFriends fails the test unless the gate lets in these addresses alone.
func (l *lab) wantFriends(want ...string) {
	l.t.Helper()
	got := l.friends()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		l.t.Errorf("the firewall lets in %q, want %q", got, want)
	}
}

// doc returns one of the documentation addresses of RFC 5737 that no client
// here has.
func doc(i int) string {
	return [...]string{"198.51.100.", "203.0.113."}[i/256%2] + strconv.Itoa(i%256)
}

func TestDocumentationAddresses(t *testing.T) {
	if a, b := doc(255), doc(256); a != "198.51.100.255" || b != "203.0.113.0" {
		t.Error(a, b)
	}
}

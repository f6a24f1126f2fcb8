package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// TestKilledAtRandom kills the daemon at 520 random moments: while it starts,
// while its commands run, between them, and while it shuts doors. In the end no
// rule may be left, and what ran must make sense. The same seed gives the same
// requests, but not the same moments.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves its doors open")
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SESAME_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SESAME_SEED=%d", seed)
	for i, group := range []struct {
		rules *rules
		kills int
	}{
		{&rules{}, 90}, {&rules{}, 90}, {&rules{}, 90}, {&rules{}, 90},
		{iptables, 40}, {iptables, 40}, {nftables, 40}, {nftables, 40},
	} {
		name := group.rules.program
		if name == "" {
			name = "files"
		}
		t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
			t.Parallel()
			if name != "files" {
				suite.Need(t, name)
			}
			c := newCrash(t, group.rules, rand.New(rand.NewPCG(seed, uint64(i))))
			for n := range group.kills {
				c.round()
				if t.Failed() {
					t.Fatalf("after %d kills", n+1)
				}
			}
			c.finish()
		})
	}
}

// crashDoors are the ports that stand for the doors, and their leases.
var crashDoors = map[string]int{"2200": 0, "2201": 1, "2202": 600}

// crash is a daemon that is killed over and over.
type crash struct {
	*lab
	rules     *rules
	rng       *rand.Rand
	daemon    *served
	requested map[string]bool
}

func newCrash(t *testing.T, r *rules, rng *rand.Rand) *crash {
	c := &crash{lab: newLab(t), rules: r, rng: rng, requested: map[string]bool{}}
	if c.rules.program == "" {
		dir := c.folder("rules")
		c.rules = &rules{
			add: "echo > " + dir + "/%IP%:PORT", remove: "rm -f " + dir + "/%IP%:PORT",
			list: []string{"ls", dir},
			rule: func(line string) (address, port string) {
				address, port, _ = strings.Cut(line, ":")
				return address, port
			},
		}
	}
	if c.rules.setup != "" {
		c.run(c.rules.program, c.rules.setup)
	}
	c.file("events", "")
	c.file("nap", "0.001\n")
	// Each command tells when it begins (S, P) and ends (s, p). The rule comes
	// and goes before the nap or after it.
	var text strings.Builder
	for port, lease := range crashDoors {
		tell := func(what string) string { return "echo " + what + " %IP% " + port + " >> " + c.dir + "/events" }
		nap := "read n < " + c.dir + "/nap; sleep $n"
		add, remove := strings.ReplaceAll(c.rules.add, "PORT", port), strings.ReplaceAll(c.rules.remove, "PORT", port)
		start, stop := nap+"; "+add, remove+" && "+nap
		if lease == 1 {
			start, stop = add+"; "+nap, nap+"; "+remove
		}
		fmt.Fprintf(&text, "[%s]\n\tsequence = %s\n\tcmd_timeout = %d\n\tstart_command = %s; %s && %s\n\tstop_command = %s; %s && %s\n",
			port, port, lease, tell("S"), start, tell("s"), tell("P"), stop, tell("p"))
	}
	// Drawing decoys is a thousand system calls, and leaves nothing behind.
	text.WriteString("[options]\n\tscan_guard = no\n")
	conf := c.config(underTest(t), text.String())
	c.daemon = c.servedBy(nil, conf)
	return c
}

// begin starts the daemon and does not wait for it.
func (c *crash) begin() *netns.Process {
	c.t.Helper()
	p, err := netns.Start(c.gw.Command(underTest(c.t).path, "-i", netns.GatewayIf, "-c", c.daemon.conf))
	if err != nil {
		c.t.Fatal(err)
	}
	c.daemon.process = &process{p, c.t}
	return p
}

// round is the life of one daemon.
func (c *crash) round() {
	c.t.Helper()
	c.nap()
	p := c.begin()
	defer func() {
		p.Kill()
		if c.t.Failed() {
			c.t.Logf("%s printed:\n%s", p.Name, strings.Join(p.Lines(), "\n"))
		}
	}()
	if c.rng.IntN(4) == 0 {
		time.Sleep(c.upTo(25 * time.Millisecond))
		return
	}
	c.daemon.wait("starting up, listening on ")
	if c.rng.IntN(2) == 0 {
		c.compare()
	}
	dead := make(chan struct{})
	delay := c.upTo(80 * time.Millisecond)
	time.AfterFunc(delay, func() {
		if err := p.Signal(syscall.SIGKILL); err != nil {
			c.t.Error(err)
		}
		close(dead)
	})
	for err := error(nil); err == nil; {
		err = c.request()
		select {
		case <-dead:
			return
		case <-time.After(c.upTo(15 * time.Millisecond)):
		}
	}
	<-dead
}

func (c *crash) upTo(d time.Duration) time.Duration { return time.Duration(c.rng.Int64N(int64(d))) }

// nap sets how long commands take.
func (c *crash) nap() {
	c.t.Helper()
	fresh := c.file("nap.new", fmt.Sprintf("%.3f\n", c.upTo(30*time.Millisecond).Seconds()))
	if err := os.Rename(fresh, filepath.Join(c.dir, "nap")); err != nil {
		c.t.Error(err)
	}
}

// request opens or shuts something. It fails when the daemon is dead.
func (c *crash) request() error {
	var err error
	address, port := doc(c.rng.IntN(6)), fmt.Sprint(2200+c.rng.IntN(len(crashDoors)))
	switch c.rng.IntN(10) {
	case 0:
		_, err = ask(c.daemon.socket, "close")
	case 1:
		_, err = ask(c.daemon.socket, "close", port)
	case 2, 3:
		_, err = ask(c.daemon.socket, "close", port, address)
	default:
		c.requested[address+" "+port] = true
		_, err = ask(c.daemon.socket, "open", port, address)
	}
	return err
}

// compare checks that every rule has a lease. At that moment no door is being
// opened, so leases only go.
func (c *crash) compare() {
	c.t.Helper()
	leases := map[string]bool{}
	for _, d := range c.daemon.status().Doors {
		leases[d.Address+" "+d.Name] = true
	}
	for _, r := range c.listed() {
		if !leases[r] {
			c.t.Errorf("the rule for %s has no lease", r)
		}
	}
}

// listed returns the rules that there are, as "address port".
func (c *crash) listed() (all []string) {
	c.t.Helper()
	for line := range strings.Lines(c.run(c.rules.list[0], c.rules.list[1:]...)) {
		if address, port := c.rules.rule(strings.TrimSpace(line)); crashPort(port) {
			all = append(all, address+" "+port)
		}
	}
	return all
}

func crashPort(port string) bool { _, ok := crashDoors[port]; return ok }

// finish shuts everything and looks at what is left and at what has run.
func (c *crash) finish() {
	c.t.Helper()
	p := c.begin()
	c.t.Cleanup(func() { c.stop(&process{p, c.t}) })
	c.daemon.wait("starting up, listening on ")
	if _, err := ask(c.daemon.socket, "close"); err != nil {
		c.t.Fatal(err)
	}
	c.daemon.awaitShut()
	// A stop command of a daemon that was killed may run on.
	eventually(c.t, "the commands to end", func() bool { return len(c.strays()) == 1 })
	for _, r := range c.listed() {
		c.t.Errorf("the rule for %s is left", r)
	}
	count := c.check()
	c.t.Logf("commands that began and ended: %v", count)
	if count["S"] == 0 || count["P"] == 0 {
		c.t.Error("nothing was opened, or nothing shut")
	}
}

// check looks at what the commands told, in order, for each lease, and counts
// it.
func (c *crash) check() (count map[string]int) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, "events"))
	if err != nil {
		c.t.Fatal(err)
	}
	type lease struct{ running, started bool }
	leases := map[string]lease{}
	count = map[string]int{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		what, key, _ := strings.Cut(line, " ")
		l := leases[key]
		count[what]++
		switch {
		case what == "S" && l.started:
			c.t.Errorf("event %d: %s was opened twice", n+1, key)
		case what == "P" && l.running:
			c.t.Errorf("event %d: the stop command of %s began before the start command ended", n+1, key)
		case what == "P" && !c.requested[key]:
			c.t.Errorf("event %d: %s was shut, which nobody had opened", n+1, key)
		}
		switch what {
		case "S":
			leases[key] = lease{true, true}
		case "s":
			l.running = false
			leases[key] = l
		case "P":
			leases[key] = lease{}
		}
	}
	for key, l := range leases {
		if l.started {
			c.t.Errorf("%s was never shut", key)
		}
	}
	if c.t.Failed() {
		c.t.Logf("events:\n%s", text)
	}
	return count
}

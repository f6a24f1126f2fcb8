package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

// TestKilledAtEverySystemCall kills the daemon at each system call on its way
// from its start, with a door to take over, through opening and shutting one.
func TestKilledAtEverySystemCall(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves its doors open")
	const workers = 6
	for w := range workers {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, &rules{}, rand.New(rand.NewPCG(1, uint64(w))))
			points, last := 0, false
			for n := 1 + w; !last && !t.Failed(); n += workers {
				c.leaveOne()
				c.file("events", "")
				last = c.killedAt(n)
				points++
				c.recover()
				if c.check(); t.Failed() {
					t.Logf("killed at point %d", n)
				}
			}
			t.Logf("killed at %d points", points-1)
			if points < 20 {
				t.Error("too few")
			}
		})
	}
}

// leaveOne kills a daemon while it shuts a door that would be open for longer.
func (c *crash) leaveOne() {
	c.t.Helper()
	c.nap()
	p := c.begin()
	defer p.Kill()
	c.daemon.wait("starting up, listening on ")
	key := doc(7) + " 2202"
	c.requested[key] = true
	c.daemon.open("2202", doc(7), "opened")
	if _, err := ask(c.daemon.socket, "close"); err != nil {
		c.t.Fatal(err)
	}
}

// killedAt kills a daemon at its n-th system call, and reports whether it made
// fewer. A door is opened as soon as it can be.
func (c *crash) killedAt(n int) (fewer bool) {
	c.t.Helper()
	c.nap()
	p, err := netns.Start(c.gw.Command("sh", "-c", `kill -STOP $$; exec "$@"`, "sh", underTest(c.t).path, "-i", netns.GatewayIf, "-c", c.daemon.conf))
	if err != nil {
		c.t.Fatal(err)
	}
	defer p.Kill()
	c.daemon.process = &process{p, c.t}
	c.daemon.awaitPause()
	c.requested[doc(8)+" 2200"] = true
	done, err := p.KillAt(n)
	if err != nil {
		c.t.Fatal(err)
	}
	if p.Wait("the start", has("starting up"), 1, netns.Deadline) == nil {
		c.request2200()
	}
	select {
	case <-done:
	case <-time.After(500 * time.Millisecond): // it has nothing more to do
		p.Kill()
		return <-done < 0
	}
	return false
}

// request2200 opens a door and returns when its stop command has ended, or the
// daemon. The daemon itself is not asked: that would be more system calls.
func (c *crash) request2200() {
	if _, err := ask(c.daemon.socket, "open", "2200", doc(8)); err != nil {
		return
	}
	path := filepath.Join(c.dir, "events")
	for !c.daemon.Exited() {
		text, err := os.ReadFile(path)
		if _, after, ok := strings.Cut(string(text), "S "+doc(8)); err != nil || ok && strings.Contains(after, "p "+doc(8)) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// recover has a daemon shut what is left, and looks that nothing is.
func (c *crash) recover() {
	c.t.Helper()
	p := c.begin()
	defer p.Kill()
	c.daemon.wait("starting up, listening on ")
	if _, err := ask(c.daemon.socket, "close"); err != nil {
		c.t.Fatal(err)
	}
	c.daemon.awaitShut()
	eventually(c.t, "the commands to end", func() bool { return len(c.strays()) == 1 })
	for _, r := range c.listed() {
		c.t.Errorf("the rule for %s is left", r)
	}
}

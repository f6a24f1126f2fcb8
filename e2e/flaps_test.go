package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/netns"
)

const (
	flaps = 1000
	// knockEvery is after how many flaps the link stays up for upTime and a
	// knock follows, which has to be heard.
	knockEvery = 8
	upTime     = 100 * time.Millisecond
)

// TestFlaps takes an interface down and up a thousand times, by turns with its
// being made anew. Every knock that is sent while the link is up for 100 ms is
// heard, and in the end the daemon holds no more than before.
func TestFlaps(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it ends")
	l := newLab(t)
	l.far("dsl")
	d := l.listens("dsl,wan")
	l.knocks(d, l.gw, "xdsl", from(0), gateway)
	before := d.descriptors()
	for i := 1; i <= flaps; i++ {
		if i%5 == 0 {
			l.batch("link del dsl", "link add dsl type veth peer name xdsl", "link set xdsl up", "link set dsl up")
		} else {
			l.batch("link set dsl down", "link set dsl up")
		}
		if i%knockEvery == 0 {
			time.Sleep(upTime)
			l.inject(l.gw, "xdsl", netns.UDP(from(i), gateway, 7007))
		}
	}
	for i := knockEvery; i <= flaps; i += knockEvery {
		d.wait(from(i) + ": heard: OPEN SESAME")
	}
	l.settle(d)
	if after := d.descriptors(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if n, fresh := d.goroutines(), l.listens("dsl,wan").goroutines(); n == 0 || n > fresh {
		t.Errorf("%d goroutines, a daemon that has just started has %d", n, fresh)
	}
}

// batch gives lines to one ip process on the gateway.
func (l *lab) batch(lines ...string) {
	l.t.Helper()
	cmd := l.gw.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("ip -batch: %v: %s", err, out)
	}
}

// descriptors counts what a program has open.
func (p *process) descriptors() int {
	p.t.Helper()
	pid, err := p.PID()
	if err != nil {
		p.t.Fatal(err)
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(list)
}

// goroutines ends a program with SIGQUIT, on which Go lists them, and counts
// those that it has started itself. Go's own come and go with its memory.
func (p *process) goroutines() int {
	p.t.Helper()
	if err := p.Signal(syscall.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
	p.exit()
	return p.Count(func(line string) bool {
		return strings.HasPrefix(line, "created by main.") || strings.HasPrefix(line, "created by sesame/")
	})
}

// hexLine is a packet as the helpers take it.
func hexLine(p []byte) string { return fmt.Sprintf("%x\n", p) }

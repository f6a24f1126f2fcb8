package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

// status returns the number behind a key of proc(5)'s status of all threads.
func (p *process) procStatus(key string) (sum int) {
	p.t.Helper()
	pid, err := p.PID()
	if err != nil {
		p.t.Fatal(err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, key+":"); ok {
				n, err := strconv.Atoi(strings.Fields(rest)[0])
				if err != nil {
					p.t.Fatal(err)
				}
				sum += n
			}
		}
	}
	return sum
}

// TestManyInterfaces has 64 interfaces more: the daemon takes no more than 8 kB
// of memory for each, and is not woken up when nothing happens.
func TestManyInterfaces(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it listens on one")
	const pairs, perLink = 32, 8 // KiB
	for _, names := range []string{"any", "lo,v*"} {
		t.Run(names, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			started := l.listens(names)
			none := started.rest()
			var lines []string
			for i := range pairs {
				lines = append(lines, fmt.Sprintf("link add v%d type veth peer name vx%d", i, i),
					fmt.Sprintf("link set v%d addrgenmode none up", i), fmt.Sprintf("link set vx%d addrgenmode none up", i),
					fmt.Sprintf("addr add 198.18.%d.1/24 dev v%d", i, i))
			}
			l.batch(lines...)
			if names != "any" {
				if err := started.Wait("listening", has("\nlistening on v"[1:]), 2*pairs, netns.Deadline); err != nil {
					t.Fatal(err)
				}
			}
			grown := started.rest()
			l.stop(started)
			fresh := l.listens(names).rest()
			t.Logf("RSS %d kB with 2 interfaces, %d kB with %d that came, %d kB with as many at the start", none, grown, 2+2*pairs, fresh)
			for _, rss := range []int{grown, fresh} {
				if rss-none > 2*pairs*perLink {
					t.Errorf("%d interfaces take %d kB", 2*pairs, rss-none)
				}
			}
		})
	}
}

// rest waits until no thread of the program has run for two seconds, and
// returns its resident memory in KiB. Go's runtime looks after memory now and
// then; what the daemon did by a clock of its own would show.
func (p *process) rest() (rss int) {
	p.t.Helper()
	const quiet = 2 * time.Second
	switches := func() int {
		return p.procStatus("voluntary_ctxt_switches") + p.procStatus("nonvoluntary_ctxt_switches")
	}
	for range 20 {
		before := switches()
		time.Sleep(quiet)
		if switches() == before {
			pid, err := p.PID()
			if err != nil {
				p.t.Fatal(err)
			}
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
			if err != nil {
				p.t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text), "\nRss:")
			n, err := strconv.Atoi(strings.Fields(after)[0])
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Error("the daemon does not come to rest")
	return 0
}

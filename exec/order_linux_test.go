package exec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOrder checks that commands of one door run in the order they came in, also
// behind those of a door that hangs, and behind what came while others ran.
func TestOrder(t *testing.T) {
	for _, atOnce := range []int{1, 2, 3, 4, 16} {
		t.Run(fmt.Sprint(atOnce), func(t *testing.T) {
			r := newRig(t, DefaultOpen)
			r.l.AtOnce = atOnce
			var want [3][]string
			gate := fifo(t)
			if atOnce > 3 {
				for i := range 20 {
					r.l.Open(r.at(), hang(9, "read x < "+gate, "true"), source(i))
				}
			}
			hung := r.run()
			for i := range 45 {
				d := hang(i%3, fmt.Sprint("open %IP% ", i%3), fmt.Sprint("shut %IP% ", i%3))
				d.Start, d.Stop = "# "+d.Start, "# "+d.Stop // nothing but the log tells what came first
				r.l.Open(r.at(), d, source(i))
				want[i%3] = append(want[i%3], source(i).String())
			}
			check := func(what string) {
				t.Helper()
				for d := range want {
					var got []string
					for _, line := range r.lines {
						text, ok := strings.CutPrefix(line, fmt.Sprintf("door%d: running command: # %s ", d, what))
						if ok {
							got = append(got, strings.TrimSuffix(text, fmt.Sprint(" ", d)))
						}
					}
					if !slices.Equal(got, want[d]) {
						t.Errorf("door %d, %s: %q, want %q", d, what, got, want[d])
					}
				}
			}
			r.turns("the doors to open", func() bool { r.running(); return r.run() == hung })
			check("open")
			for i := range 45 {
				r.l.Shut(r.at(), "", source(i))
			}
			r.turns("the doors to shut", func() bool { r.running(); return r.run() == hung })
			check("shut")
		})
	}
}

// TestOrderOfAgain checks that the second start command of a lease does not
// overtake those that came before it.
func TestOrderOfAgain(t *testing.T) {
	r := newRig(t, DefaultOpen)
	r.l.AtOnce = 1
	gate := fifo(t)
	d := sshDoor("echo open %IP%", "read x < "+gate)
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.pass(31 * time.Second)
	r.l.Open(r.at(), d, bob)
	r.l.Open(r.at(), d, alice)
	r.l.Open(r.at(), d, carol)
	release(t, gate)
	r.wait("open 198.51.100.9")
	r.wait("open 2001:db8::7")
	r.wait("open 192.0.2.7")
}

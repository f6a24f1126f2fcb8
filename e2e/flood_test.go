package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

const floodDoors = `
[door]
	sequence = 7000,8000,9000
	seq_timeout = 60
	tcpflags = syn,!ack
[dgram]
	sequence = 7000:udp,8000:udp,9000:udp
	seq_timeout = 60
`

// TestFloods knocks twenty times among forged packets, in which each honest
// attempt has some hundred newer ones between its knocks.
func TestFloods(t *testing.T) {
	sesameOnly(t, "a small flood keeps most knocks out")
	const rate, knocks = 20000, 20
	forged := func(packets ...[]byte) netns.Barrage {
		return netns.Barrage{Packets: packets, Forge: true, Rate: rate, Count: 3 * rate}
	}
	for name, b := range map[string]netns.Barrage{
		"first knocks":           forged(tcp(client, 7000, netns.SYN)),
		"first and second":       forged(tcp(client, 7000, netns.SYN), tcp(client, 8000, netns.SYN)),
		"second knocks":          forged(tcp(client, 8000, netns.SYN)),
		"datagrams":              forged(netns.UDP(client, gateway, 7000)),
		"sources of an IPv6 /64": forged(netns.TCP("2001:db8:bad:bad::1", netns.Gateway6, 7000, netns.SYN)),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			p := l.serve(floodDoors)
			before := p.usage().rss
			sent := make(chan error, 1)
			go func() { sent <- b.Send(l.cl) }()
			k, err := netns.NewKnocker(l.cl)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			if name != "second knocks" { // which begin no attempt
				p.wait("Stage ")
			}
			for i := range knocks {
				if _, err := k.Knock(doc(i), 20*time.Millisecond, 7000, 8000, 9000); err != nil {
					t.Fatal(err)
				}
			}
			for i := range knocks {
				p.wait(doc(i) + ": door: OPEN SESAME")
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if name == "first knocks" {
				p.wait(" addresses in 10 s")
			}
			log := 0
			for _, line := range p.Lines() {
				log += len(line) + 1
			}
			grown := p.usage().rss - before
			t.Logf("the log has %d bytes, RSS grew by %d kB", log, grown)
			if log > 100_000 || grown > 512 {
				t.Errorf("the log has %d bytes, RSS grew by %d kB", log, grown)
			}
			checkSummary(t, p.Lines())
		})
	}
}

// checkSummary looks for a count of the lines that were left out, and for none
// too many.
func checkSummary(t *testing.T, lines []string) {
	t.Helper()
	stages := 0
	for _, line := range lines {
		if strings.HasSuffix(line, ": Stage 1") {
			stages++
		}
		var more, from int
		plain := strings.NewReplacer(",", "", "about ", "").Replace(line)
		if n, _ := fmt.Sscanf(plain, "… and %d more Stage 1 from %d addresses in 10 s", &more, &from); n == 2 && (more < 10000 || from > more || from < more/2) {
			t.Errorf("does not add up: %q", line)
		}
	}
	if stages > 300 {
		t.Errorf("%d lines of Stage 1 in half a minute at most", stages)
	}
}

package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

func TestThousandDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it starts and opens none")
	const doors = 1000
	l := newLab(t)
	d := underTest(t)
	var text strings.Builder
	var packets [][]byte
	for i := range doors {
		// 3,000 ports, 20 apart and not in order of size within a door.
		a, b, c := uint16(3000+20*i), uint16(43000+20*i), uint16(23010+20*i)
		if i%2 == 1 {
			a, b = b, a
		}
		fmt.Fprintf(&text, "[door %d.]\n\tsequence = %d,%d,%d\n\ttcpflags = syn\n", i, a, b, c)
		src := fmt.Sprintf("198.51.100.%d", 1+i/4) // four doors each
		packets = append(packets, syns(src, a, b, c)...)
	}
	conf := l.config(d, text.String())
	began := time.Now()
	p := l.launch(d, "-i", netns.GatewayIf, "-c", conf)
	p.wait("starting up, listening on " + netns.GatewayIf)
	t.Logf("listens %v after it was started", time.Since(began).Round(time.Millisecond))
	for len(packets) > 0 { // a few at a time: the receive buffer is finite
		n := min(300, len(packets))
		l.send(packets[:n]...)
		packets = packets[n:]
		l.settle(p)
	}
	for i := range doors {
		p.want(fmt.Sprintf(": door %d.: OPEN SESAME", i), 1)
	}
	p.want("OPEN SESAME", doors+doors*3/300)
}

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sesame/control"
	"sesame/e2e/netns"
)

const scannedDoor = `
[door]
	sequence = 7000,8000,9000
	seq_timeout = 60
	tcpflags = syn,!ack
`

// allPorts returns them in an order: "ascending", "descending" or "random".
func allPorts(order string, seed uint64) []uint16 {
	ports := make([]uint16, 65535)
	for i := range ports {
		ports[i] = uint16(i + 1)
	}
	switch order {
	case "descending":
		slices.Reverse(ports)
	case "random":
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
	}
	return ports
}

// TestScans scans all ports 18 times. No scan opens a door, an honest knock in
// between does, and what the log has of it names no port.
func TestScans(t *testing.T) {
	sesameOnly(t, "any scan may open its doors")
	l := newLab(t)
	for round := range 3 {
		p := l.serve(scannedDoor)
		for i, order := range []string{"ascending", "descending", "random"} {
			for _, spread := range []int{0, 8} {
				source := fmt.Sprintf("198.51.%d.200", 100+2*(3*round+i)+spread/8)
				scan := netns.Barrage{
					Packets: [][]byte{tcp(source, 0, netns.SYN)}, Count: 65535, Spread: spread,
					Ports: allPorts(order, uint64(round)), Seed: uint64(round),
				}
				if err := scan.Send(l.cl); err != nil {
					t.Fatal(err)
				}
			}
			l.send(syns(doc(i), 7000, 8000, 9000)...)
			p.wait(doc(i) + ": door: OPEN SESAME")
		}
		if n := p.Count(output("OPEN SESAME")); n != 3 {
			t.Errorf("%d openings, 3 of them honest:\n%s", n, strings.Join(p.Lines(), "\n"))
		}
		for _, line := range p.Lines() {
			if src, what, ok := strings.Cut(line, ": port scan"); ok && what != ": ignored for 60 s" || ok && !strings.HasPrefix(src, "198.51.") {
				t.Errorf("logged: %q", line)
			}
		}
		s := p.status()
		if s.Counters[control.Decoys] < 6*200 || s.Counters[control.Ignored] < 6 {
			t.Errorf("%d touches and %d knocks ignored", s.Counters[control.Decoys], s.Counters[control.Ignored])
		}
		l.stop(p.process)
	}
}

// TestScanWithoutGuard shows that a scan opens the door if nothing keeps it from
// that.
func TestScanWithoutGuard(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start("[options]\n\tscan_guard = no\n" + scannedDoor)
	scan := netns.Barrage{Packets: [][]byte{tcp(client, 0, netns.SYN)}, Count: 65535, Ports: allPorts("ascending", 0)}
	if err := scan.Send(l.cl); err != nil {
		t.Fatal(err)
	}
	p.wait(client + ": door: OPEN SESAME")
}

// TestDecoys touches the one kind of decoy that is known: the neighbour of a
// door's port.
func TestDecoys(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no decoys")
	l := newLab(t)
	p := l.start("[options]\n\tlockout = 600\n\tdecoys = 0\n" + scannedDoor)
	l.send(tcp(client, 7000, netns.SYN), tcp(client, 8000, netns.SYN), tcp(other, 7001, netns.SYN|netns.ACK), tcp(other, 7001, netns.RST))
	l.send(syns(client, 9000)...)
	p.wait(client + ": door: OPEN SESAME") // replies to another mean nothing
	l.send(syns(other, 7001, 7000, 8000, 9000, 7001)...)
	p.wait(other + ": port scan: ignored for 600 s")
	l.send(syns(doc(1), 7000, 8000, 9000)...)
	p.wait(doc(1) + ": door: OPEN SESAME")
	p.want(other+": port scan", 1)
	p.want(other+": door", 0)
}

// TestLockoutNone ends the attempts of a scan, and hears what comes next.
func TestLockoutNone(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no decoys")
	l := newLab(t)
	p := l.start("[options]\n\tlockout = 0\n" + scannedDoor)
	l.send(syns(client, 7000, 8000, 8001, 9000)...)
	p.wait(client + ": port scan: its attempts end")
	l.send(syns(client, 7000, 8000, 9000)...)
	p.wait(client + ": door: OPEN SESAME")
	p.want(client+": door: Stage 3", 1)
}

// TestDecoyInUse lets a service begin to listen on a decoy: who connects to it
// is no scanner.
func TestDecoyInUse(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no decoys")
	l := newLab(t)
	p := l.start(scannedDoor)
	l.helper(l.gw, "", "listen", gateway+":7001")
	eventually(t, "the service", func() bool { return strings.Contains(l.run("ss", "-ltn"), ":7001 ") })
	l.send(syns(client, 7001, 7000, 8000, 9000)...)
	p.wait(client + ": door: OPEN SESAME")
	p.want("port scan", 0)
}

// TestGuardOverReload goes on ignoring a source.
func TestGuardOverReload(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no decoys")
	l := newLab(t)
	p := l.serve(scannedDoor)
	l.send(syns(client, 7001)...)
	p.wait(client + ": port scan: ignored for 60 s")
	p.signal(syscall.SIGHUP)
	p.wait("re-reading config file")
	l.send(syns(client, 7000, 8000, 9000)...)
	l.send(syns(other, 7000, 8000, 9000)...)
	p.wait(other + ": door: OPEN SESAME")
	p.want(client+": door", 0)
}

// TestOneTimeRetransmission repeats the last knock of a one-time sequence, whose
// ports are beside those of the next.
func TestOneTimeRetransmission(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no decoys")
	l := newLab(t)
	sequences := l.file("sequences", " 7000,8000,9000\n 7001,8001,9001\n")
	p := l.start("[door]\n\tone_time_sequences = " + sequences + "\n\ttcpflags = syn\n")
	l.send(syns(client, 7000, 8000, 9000)...)
	p.wait(client + ": door: OPEN SESAME")
	l.send(syns(client, 9000, 9000, 7001, 8001, 9001)...)
	if err := p.Wait("the second opening", has(client+": door: OPEN SESAME"), 2, netns.Deadline); err != nil {
		t.Fatal(err)
	}
	p.want("port scan", 0)
}

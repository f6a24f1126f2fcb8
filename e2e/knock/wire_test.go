package knock_test

import (
	"os"
	"strings"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// mixed is a sequence that rises, falls and repeats, long enough for an order
// to get lost.
var mixed = []string{"7000", "8000:udp", "9000", "9000", "5000:udp", "7001", "7003", "7002", "65535", "1", "6000:udp", "6001", "6000", "80", "22:udp", "443"}

// answers are the ways in which a gateway can meet a knock.
var answers = map[string]func(l *lab){
	"drops": func(l *lab) {
		suite.Need(l.t, "iptables", "ip6tables")
		l.ip(l.gw, "iptables", "-P", "INPUT", "DROP")
		l.ip(l.gw, "ip6tables", "-P", "INPUT", "DROP")
	},
	"rejects": func(l *lab) {
		suite.Need(l.t, "iptables", "ip6tables")
		l.ip(l.gw, "iptables", "-A", "INPUT", "-p", "all", "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
		l.ip(l.gw, "ip6tables", "-A", "INPUT", "-p", "all", "-j", "REJECT", "--reject-with", "icmp6-adm-prohibited")
	},
	"resets": func(*lab) {},
	"accepts": func(l *lab) {
		for _, p := range mixed {
			if !strings.Contains(p, ":") && p != "9000" {
				l.listen(gateway + ":" + p)
				l.listen("[" + gateway6 + "]:" + p)
			}
		}
	},
}

// TestOnePacketEach looks for exactly one packet a port, in order, whatever the
// gateway answers, and for no socket that could send another one later.
func TestOnePacketEach(t *testing.T) {
	t.Parallel()
	for name, prepare := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			prepare(l)
			wire := l.tap()
			for range 3 {
				l.knock(append([]string{"-d", "0", gateway}, mixed...)...)
				l.noAttempts()
				want(t, wire.packets(), client, mixed...)
			}
			l.knock(append([]string{"-d", "0", gateway6}, mixed...)...)
			l.noAttempts()
			want(t, wire.packets(), client6, mixed...)
			l.knock(append([]string{gateway}, mixed...)...) // the default delay
			l.noAttempts()
			want(t, wire.packets(), client, mixed...)
			l.knock("-u", gateway, "7000", "7001:tcp", "7002:udp")
			want(t, wire.packets(), client, "7000:udp", "7001:udp", "7002:udp")
			for _, line := range wire.Lines()[1:] {
				if f := strings.Fields(line); f[1] == "tcp" && (strings.Contains(f[3], "F") || f[4] != "0") {
					t.Errorf("a connection was used: %s", line)
				}
			}
		})
	}
}

// noAttempts fails the test for a TCP socket of the client that is still
// connecting: only such a one sends a SYN again. 02 is SYN_SENT in proc_net_tcp.
func (l *lab) noAttempts() {
	l.t.Helper()
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		out, err := l.cl.Output("cat", file)
		if err != nil {
			l.t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "02" {
				l.t.Errorf("an attempt goes on: %s", line)
			}
		}
	}
}

// TestBoth knocks at a name over both families, and over one of them.
func TestBoth(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	l.knock("--both", "dual.example", "7000", "8000:udp", "9000")
	got := wire.packets()
	if len(got) != 6 {
		t.Fatalf("on the wire: %q, want 3 packets over each family", got)
	}
	want(t, got[:3], client, "7000", "8000:udp", "9000")
	want(t, got[3:], client6, "7000", "8000:udp", "9000")
	l.knock("-4", "dual.example", "7000")
	want(t, wire.packets(), client, "7000")
	l.knock("-6", "dual.example", "7000")
	want(t, wire.packets(), client6, "7000")

	r := l.run(clientPath, "--both", "gw.example", "7000")
	if r.code != 0 || r.stderr != "knock: gw.example: has no IPv6 address; knocking over the other family only\n" {
		t.Errorf("--both with a name that has one family: status %d: %q", r.code, r.stderr)
	}
	want(t, wire.packets(), client, "7000")
	l.knock("-q", "--both", "gw6.example", "7000")
	want(t, wire.packets(), client6, "7000")
}

// TestSourceAndInterface chooses among the client's addresses and links.
func TestSourceAndInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	l.knock("--source", "192.0.2.7", gateway, "7000", "8000:udp")
	want(t, wire.packets(), "192.0.2.7", "7000", "8000:udp")
	l.knock("--source", client6, "dual.example", "7000")
	want(t, wire.packets(), client6, "7000")

	// A second link takes the route away: only the interface leads back.
	l.ip(l.cl, "ip", "link", "add", "detour", "type", "veth", "peer", "name", "nowhere")
	l.ip(l.cl, "ip", "addr", "add", "198.51.100.2/24", "dev", "detour")
	l.ip(l.cl, "ip", "link", "set", "nowhere", "up")
	l.ip(l.cl, "ip", "link", "set", "detour", "up")
	l.ip(l.cl, "ip", "route", "add", gateway+"/32", "dev", "detour")
	l.knock("--interface", netns.ClientIf, gateway, "7000", "8000:udp")
	want(t, wire.packets(), client, "7000", "8000:udp")
	l.listen(gateway + ":22")
	l.knock("--interface", netns.ClientIf, "--source", "192.0.2.7", "--wait", "22", "--timeout", "20", gateway, "7000")
	got := wire.packets()
	want(t, got[:min(2, len(got))], "192.0.2.7", "7000", "22")
}

// TestNeighbour knocks when the address of the link is not known yet: packets
// wait for it, in order, and none is lost or sent again.
func TestNeighbour(t *testing.T) {
	t.Parallel()
	for _, delay := range []string{"0", "15"} {
		t.Run(delay, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			wire := l.tap()
			l.ip(l.cl, "ip", "neigh", "del", gateway, "dev", netns.ClientIf)
			l.ip(l.cl, "ip", "neigh", "del", gateway6, "dev", netns.ClientIf)
			l.knock(append([]string{"-d", delay, gateway}, mixed...)...)
			want(t, wire.packets(), client, mixed...)
			l.knock(append([]string{"-d", delay, gateway6}, mixed...)...)
			want(t, wire.packets(), client6, mixed...)
		})
	}
}

// TestSlowNeighbour knocks where the first SYN waits longer for the address of
// the link than the kernel waits before it sends one again (1 s, RFC 6298).
func TestSlowNeighbour(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	l.ip(l.cl, "ip", "neigh", "del", gateway, "dev", netns.ClientIf)
	l.ip(l.gw, "sysctl", "-q", "net.ipv4.conf.all.arp_ignore=8") // answers none
	knock := l.spawn(l.as(clientPath, append([]string{"-d", "0", gateway}, mixed...)...))
	wire.wait("arp", 2) // the kernel asks every second
	l.noAttempts()
	l.ip(l.gw, "sysctl", "-q", "net.ipv4.conf.all.arp_ignore=0")
	if code, err := knock.Exit(netns.Deadline); err != nil || code != 0 {
		t.Fatalf("status %d: %v %q", code, err, knock.Lines())
	}
	l.noAttempts()
	want(t, wire.packets(), client, mixed...)
}

// TestSilentNeighbour knocks where nobody answers on the link.
func TestSilentNeighbour(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	r := l.run(clientPath, "192.0.2.77", "7000", "8000")
	if r.code != 1 || !strings.HasPrefix(r.stderr, "knock: 192.0.2.77: tcp port 7000: no route: ") {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	want(t, wire.packets(), client)
}

// TestQueues sends through a card with two queues, one of which is slow: the
// kernel spreads knocks over both, and one in the fast queue would overtake.
func TestQueues(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	suite.Need(t, "tc")
	l.ip(l.cl, "ip", "link", "add", "card", "numtxqueues", "2", "type", "veth", "peer", "name", "far", "numrxqueues", "2")
	l.ip(l.cl, "ip", "addr", "add", "198.51.100.2/24", "dev", "card")
	l.ip(l.cl, "ip", "link", "set", "card", "up")
	l.ip(l.cl, "ip", "link", "set", "far", "up")
	l.ip(l.cl, "ip", "neigh", "add", "198.51.100.1", "lladdr", "02:00:00:00:00:09", "dev", "card")
	l.ip(l.cl, "tc", "qdisc", "add", "dev", "card", "root", "handle", "1:", "mq")
	l.ip(l.cl, "tc", "qdisc", "add", "dev", "card", "parent", "1:1", "tbf", "rate", "8kbit", "burst", "100", "latency", "3s")
	wire := l.capture(l.cl, "far")
	l.knock(append([]string{"-d", "0", "198.51.100.1"}, mixed...)...)
	wire.wait("198.51.100.2 ", len(mixed))
	want(t, wire.Lines()[1:], "198.51.100.2", mixed...)
}

func TestNeedsNoRight(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if r := l.run("sh", "-c", "id -u; grep CapEff /proc/self/status"); r.stdout != "65534\nCapEff:\t0000000000000000\n" {
		t.Fatalf("the tests of the client run with rights: %q", r.stdout)
	}
	if info, err := os.Stat(clientPath); err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		t.Fatal(err, info.Mode())
	}
}

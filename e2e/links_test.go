package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
)

// heard is a door that opens at each knock, and says who knocked.
const heard = `
[heard]
	sequence = 7007:udp
`

// listens starts sesame on interfaces with a door of one knock.
func (l *lab) listens(interfaces string, args ...string) *process {
	l.t.Helper()
	d := underTest(l.t)
	p := l.launch(d, append([]string{"-i", interfaces, "-c", l.config(d, heard)}, args...)...)
	p.wait("starting up, listening on " + strings.ReplaceAll(interfaces, ",", ", "))
	return p
}

// far makes a veth pair on the gateway, whose other end stands for what is
// behind the interface. Both are up.
func (l *lab) far(name string) (end string) {
	l.t.Helper()
	end = "x" + name
	l.run("ip", "link", "add", name, "type", "veth", "peer", "name", end)
	l.run("ip", "link", "set", end, "up")
	l.run("ip", "link", "set", name, "up")
	return end
}

// inject sends packets into a link of a namespace.
func (l *lab) inject(s *netns.Space, link string, packets ...[]byte) {
	l.t.Helper()
	var hex strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&hex, "%x\n", p)
	}
	cmd := s.Helper("inject", link)
	cmd.Stdin = strings.NewReader(hex.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("inject: %v: %s", err, out)
	}
}

// knocks sends knocks from src into a link until the daemon hears one: the
// kernel throws away what is sent before a new link is in use.
func (l *lab) knocks(d *process, s *netns.Space, link, src, dst string) {
	l.t.Helper()
	line := src + ": heard: OPEN SESAME"
	eventually(l.t, line, func() bool {
		l.inject(s, link, netns.UDP(src, dst, 7007))
		return d.Count(has(line)) > 0
	})
}

// from is a source of knocks that no other part of a test uses.
func from(i int) string { return fmt.Sprintf("198.18.%d.%d", i/250, 1+i%250) }

// An interface may come late, go, come again and change its name.
func TestLateInterface(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it does not start")
	l := newLab(t)
	d := l.listens("dsl")
	d.wait("waiting for dsl")
	for i := range 3 {
		end := l.far("dsl")
		if err := d.Wait("listening on dsl", has("listening on dsl"), 2+i, netns.Deadline); err != nil {
			t.Fatal(err)
		}
		l.knocks(d, l.gw, end, from(i), gateway)
		l.run("ip", "link", "del", "dsl")
		if err := d.Wait("dsl is gone", has("dsl is gone"), 1+i, netns.Deadline); err != nil {
			t.Fatal(err)
		}
		if err := d.Wait("waiting", has("waiting for dsl"), 2+i, netns.Deadline); err != nil {
			t.Fatal(err)
		}
	}
	// One with another name gets this one, and loses it.
	end := l.far("eth7")
	l.run("ip", "link", "set", "eth7", "down")
	l.run("ip", "link", "set", "eth7", "name", "dsl", "up")
	l.knocks(d, l.gw, end, from(10), gateway)
	l.run("ip", "link", "set", "dsl", "down")
	l.run("ip", "link", "set", "dsl", "name", "old", "up")
	d.wait("no longer listening on dsl")
	l.inject(l.gw, end, netns.UDP(from(11), gateway, 7007))
	// Down and up with the same name.
	end = l.far("dsl")
	l.knocks(d, l.gw, end, from(12), gateway)
	l.run("ip", "link", "set", "dsl", "down")
	d.wait("dsl is down: no knock is heard until it is up")
	l.run("ip", "link", "set", "dsl", "up")
	d.wait("dsl is up again")
	l.knocks(d, l.gw, end, from(13), gateway)
	d.want(from(11), 0)
}

// The daemon detaches while it waits, and shuts doors that are overdue.
func TestWaitingShutsDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it does not start")
	l := newLab(t)
	shut := filepath.Join(l.dir, "shut")
	under := underTest(t)
	conf := l.config(under, "[door]\n\tsequence = 7000\n\tcmd_timeout = 1\n\tstart_command = echo opened\n\tstop_command = echo %IP% > "+shut+"\n")
	d := l.launch(under, "-i", "dsl", "-c", conf)
	d.wait("waiting for dsl")
	s := l.servedBy(d, conf)
	s.socket = strings.Replace(s.socket, "@"+netns.GatewayIf, "@dsl", 1)
	s.open("door", client, "opened")
	d.hear("opened")
	if err := d.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.exit()
	pidfile, log := filepath.Join(l.dir, "pid"), filepath.Join(l.dir, "log")
	if code, out := finish(t, l.gw.Command(under.path, "-d", "-i", "dsl", "-c", conf, "-p", pidfile, "-g", log)); code != 0 {
		t.Errorf("exit status %d: %s", code, out)
	}
	eventually(t, "the door to be shut", func() bool {
		got, _ := os.ReadFile(shut)
		return string(got) == client+"\n"
	})
	eventually(t, "the wait to be logged", func() bool {
		got, _ := os.ReadFile(log)
		return strings.Contains(string(got), "starting up, listening on dsl\n") && strings.Contains(string(got), "waiting for dsl\n")
	})
	l.run("sh", "-c", "kill $(cat "+pidfile+")")
	eventually(t, "all processes to end", func() bool { return len(l.strays()) == 0 })
}

// A list and a pattern: each interface for itself, and none besides.
func TestListsAndPatterns(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it listens on one")
	l := newLab(t)
	other := l.far("other")
	first := l.far("ppp0")
	d := l.listens("wg0,ppp*," + netns.GatewayIf)
	d.wait("waiting for wg0")
	d.want("waiting for ppp*", 0)
	d.want(": listening on", 0)
	d.wait("listening on ppp0")
	l.knocks(d, l.gw, first, from(0), gateway)
	second, third := l.far("ppp1"), l.far("wg0")
	l.knocks(d, l.gw, second, from(1), gateway)
	l.knocks(d, l.gw, third, from(2), gateway)
	l.knocks(d, l.cl, netns.ClientIf, from(3), gateway)
	l.inject(l.gw, other, netns.UDP(from(9), gateway, 7007))
	l.run("ip", "link", "del", "ppp0")
	d.wait("ppp0 is gone")
	l.knocks(d, l.gw, second, from(4), gateway)
	l.run("ip", "link", "set", "ppp1", "name", "ppp7")
	d.wait("ppp1 is called ppp7 now")
	l.knocks(d, l.gw, second, from(5), gateway)
	d.want("waiting for ppp*", 0)
	l.run("ip", "link", "del", "ppp7")
	d.wait("waiting for ppp*")
	l.settle(d)
	d.want(from(9), 0)
}

// The word any stands for all interfaces, with one socket; what comes in on a
// bridge is heard on its port too, and is one knock.
func TestAny(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it hears nothing there")
	l := newLab(t)
	d := l.listens("any")
	l.knocks(d, l.cl, netns.ClientIf, from(0), gateway)
	l.knocks(d, l.gw, "lo", from(1), gateway)
	end := l.far("dsl")
	l.knocks(d, l.gw, end, from(2), gateway)
	l.run("ip", "link", "add", "br0", "type", "bridge")
	l.run("ip", "link", "set", "br0", "up")
	l.run("ip", "link", "set", "dsl", "master", "br0")
	l.knocks(d, l.gw, end, from(3), gateway)
	const n = 20
	for i := range n {
		l.inject(l.gw, end, netns.UDP(from(100+i), gateway, 7007))
	}
	l.settle(d)
	for i := range n {
		d.want(from(100+i)+": heard: OPEN SESAME", 1)
	}
	d.want("waiting", 0)
}

// Without a name and without eth0, the interface of the default route is used.
func TestDefaultRouteInterface(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it wants eth0")
	l := newLab(t)
	under := underTest(t)
	d := l.launch(under, "-c", l.config(under, heard))
	d.wait("starting up, listening on eth0")
	d.wait("waiting for eth0 or a default route")
	l.run("ip", "route", "add", "default", "via", client, "dev", netns.GatewayIf)
	d.wait("listening on wan: there is no eth0, and it has the default route")
	l.knocks(d, l.cl, netns.ClientIf, from(0), gateway)
	again := l.launch(under, "-c", l.file("again.conf", "[options]\n\tStateFile = "+l.dir+"/state\n"+heard))
	again.wait("starting up, listening on wan")
	again.wait("there is no eth0, and it has the default route")
	end := l.far("eth0")
	third := l.launch(under, "-c", l.file("third.conf", "[options]\n\tStateFile = "+l.dir+"/third\n"+heard))
	third.wait("starting up, listening on eth0")
	l.knocks(third, l.gw, end, from(1), gateway)
	third.want("default route", 0)
	d.want(from(1), 0)
}

// An address counts wherever it is: moved, secondary, of another interface.
func TestAddressesMove(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it knows the addresses that it found at the start")
	l := newLab(t)
	end := l.far("dsl")
	d := l.listens("dsl")
	l.knocks(d, l.gw, end, from(0), gateway) // which is wan's
	const second, third = "203.0.113.1", "2001:db8:1::1"
	unknown := func(i int, dst string) {
		t.Helper()
		l.inject(l.gw, end, netns.UDP(from(i), dst, 7007))
	}
	unknown(50, second)
	l.run("ip", "addr", "add", second+"/32", "dev", "lo")
	l.knocks(d, l.gw, end, from(1), second)
	l.run("ip", "addr", "add", second+"/24", "dev", "dsl")
	l.run("ip", "addr", "del", second+"/32", "dev", "lo")
	l.knocks(d, l.gw, end, from(2), second)
	l.run("ip", "addr", "del", second+"/24", "dev", "dsl")
	l.run("ip", "addr", "add", third+"/64", "dev", "dsl", "nodad")
	l.knocks(d, l.gw, end, "2001:db8:2::7", third)
	unknown(51, second)
	for i, dst := range []string{"192.0.2.255", "255.255.255.255", "224.0.0.1", "203.0.113.9"} {
		unknown(60+i, dst)
	}
	l.inject(l.gw, end, netns.UDP("2001:db8:2::8", "ff02::1", 7007))
	l.knocks(d, l.gw, end, from(3), gateway)
	for _, src := range []string{from(50) + ":", from(51) + ":", from(60) + ":", from(61) + ":", from(62) + ":", from(63) + ":", "2001:db8:2::8:"} {
		d.want(src, 0)
	}
}

// A daemon that must have its interfaces ends when it does not.
func TestRequireInterface(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no such option")
	l := newLab(t)
	under := underTest(t)
	conf := l.config(under, heard)
	for names, missing := range map[string]string{"wan,dsl": "dsl", "ppp*": "ppp*", "wan,ppp*": "ppp*"} {
		p := l.launch(under, "--require-interface", "-i", names, "-c", conf)
		if code := p.exit(); code != 1 {
			t.Errorf("%s: exit status %d, want 1", names, code)
		}
		oneLine(p, "listen on "+missing+": no such device (the interfaces here are: lo, wan;")
	}
	l.far("ppp0")
	d := l.listens("wan,ppp*", "--require-interface")
	d.wait("listening on ppp0")
	l.far("ppp1")
	d.wait("listening on ppp1")
	l.run("ip", "link", "del", "ppp0")
	d.wait("ppp0 is gone")
	l.settle(d)
	l.run("ip", "link", "del", "ppp1")
	d.wait("waiting for ppp*")
	if code := d.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
}

// What cannot be the name of an interface is a mistake with its place.
func TestBrokenPattern(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it takes any name")
	l := newLab(t)
	under := underTest(t)
	conf := l.file("bad.conf", "[options]\n\tInterface = wan,,ppp[0]\n"+heard)
	p := l.launch(under, "-c", conf)
	if code := p.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	oneLine(p, conf+":2: interface: a name is missing beside a comma")
	p = l.launch(under, "-i", "ppp[0]", "-c", l.config(under, heard))
	if code := p.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	oneLine(p, `-i: "ppp[0]" is not a pattern of names`)
}

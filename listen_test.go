package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/afpacket"
	"sesame/matcher"
)

// listener is a daemon in a network namespace of its own that listens on names.
func listener(t *testing.T, names string) (*daemon, *places) {
	t.Helper()
	ownNetwork(t)
	d, p := requestDaemon(t, "[ssh]\nsequence = 7000:udp\n")
	d.withSocket(t, names)
	return d, p
}

// said waits until the log's last line is this one.
func (d *daemon) said(t *testing.T, p *places, line string) {
	t.Helper()
	d.turns(t, line, func() bool { return strings.HasSuffix(p.log(), line+"\n") })
}

// setEffective gives the thread all or none of the capabilities it may have.
func setEffective(t *testing.T, all bool) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i].Effective = 0
		if all {
			data[i].Effective = data[i].Permitted
		}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

// TestAttachFails takes the right to listen away: the daemon says so once,
// tries again after pauses that grow and whenever the interface changes, and
// listens when it may.
func TestAttachFails(t *testing.T) {
	d, p := listener(t, "w*")
	if log := p.log(); !strings.HasSuffix(log, "starting up, listening on w*\nwaiting for w*\nthis machine has no address yet: no knock can be for it\n") && !strings.HasSuffix(log, "waiting for w*\n") {
		t.Errorf("the log is %q", log)
	}
	setEffective(t, false)
	defer setEffective(t, true)
	ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
	const refusal = "packet sockets need CAP_NET_RAW"
	d.turns(t, "a refusal", func() bool { return strings.Contains(p.log(), refusal) })
	if d.next() > d.links.next || d.links.next > d.loop.instant.Now.Add(firstPause) {
		t.Errorf("the next try is at %d, the loop goes on at %d", d.links.next, d.next())
	}
	// Time is what the loop says it is.
	now := d.links.next
	for pause := 2 * firstPause; pause <= 2*longestPause; pause *= 2 {
		want := min(pause, longestPause)
		for _, early := range []bool{true, false} {
			if d.loop.instant.Now = now; early {
				d.loop.instant.Now--
			}
			d.expire()
		}
		if got := time.Duration(d.links.next - now); got != want || len(d.links.retries) != 1 {
			t.Fatalf("the next try is after %v, want %v", got, want)
		}
		now = d.links.next
	}
	// Down, the same as before, is no change; up is.
	ip(t, "link", "set", "wan", "up")
	before := d.links.retries[0].pause
	d.onNetwork()
	if r := d.links.retries; len(r) != 1 || !r[0].link.Up || r[0].pause != before || r[0].at != d.loop.instant.Now.Add(longestPause) {
		t.Errorf("after a change: %+v", r)
	}
	if log := p.log(); strings.Count(log, refusal) != 1 || len(d.links.ears) != 0 {
		t.Errorf("the log is\n%s", log)
	}
	setEffective(t, true)
	d.loop.instant.Now = d.links.next
	d.expire()
	if len(d.links.ears) != 1 || d.links.next != matcher.Never || !strings.HasSuffix(p.log(), "listening on wan\n") {
		t.Errorf("the next is at %d; the log is\n%s", d.links.next, p.log())
	}
}

// TestAttachTooLate attaches to an interface that has just gone: its notice is
// on the way, so that nothing is said, and nothing tried once that has come.
func TestAttachTooLate(t *testing.T) {
	d, p := listener(t, "lo")
	before := p.log()
	if err := d.attach(afpacket.Link{Index: 99, Name: "wan"}, nil); err != nil || len(d.links.retries) != 1 || len(d.links.ears) != 1 {
		t.Errorf("%v, %+v", err, d.links.retries)
	}
	d.syncLinks()
	if p.log() != before || d.links.next != matcher.Never {
		t.Errorf("next is %d; the log says %s", d.links.next, p.log())
	}
}

// TestSocketFails takes a socket away from an interface that is there.
func TestSocketFails(t *testing.T) {
	d, p := listener(t, "lo")
	d.fail(d.links.ears[0], errors.New("read packets on lo: out of something"))
	if len(d.links.ears) != 0 || d.links.next > d.loop.instant.Now.Add(firstPause) || !strings.HasSuffix(p.log(), "out of something; it is tried again\n") {
		t.Errorf("%+v\n%s", d.links, p.log())
	}
	d.loop.instant.Now = d.links.next
	d.expire()
	if len(d.links.ears) != 1 || d.links.next != matcher.Never {
		t.Errorf("%+v", d.links)
	}
}

// TestMadeAgain deletes an interface and makes another one of its name and
// index before the daemon looks: what came before is heard, and so is what
// comes behind.
func TestMadeAgain(t *testing.T) {
	d, p := listener(t, "wan")
	knock := func() {
		t.Helper()
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			t.Fatal(err)
		}
		// UDP from 10.0.0.0 to 127.0.0.1, port 7000.
		b := rawSYN()[:28]
		b[9] = 17
		setPort(b, 7000)
		for _, l := range watchNetwork(t).Links() {
			if l.Name == "far" {
				to := &unix.SockaddrLinklayer{Protocol: 8, Ifindex: l.Index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
				if err := unix.Sendto(fd, b, 0, to); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	made := func() {
		t.Helper()
		ip(t, "link", "add", "wan", "index", "77", "up", "type", "veth", "peer", "name", "far")
		ip(t, "link", "set", "far", "up")
	}
	made()
	d.said(t, p, "listening on wan")
	knock()
	ip(t, "link", "del", "wan")
	made()
	d.onNetwork()
	if n := d.counts.past.verdicts[afpacket.Knock]; n != 1 || !strings.HasSuffix(p.log(), "wan is gone\n10.0.0.0: ssh: Stage 1\n10.0.0.0: ssh: OPEN SESAME\nlistening on wan\n") {
		t.Errorf("%d packets heard before; the log says\n%s", n, p.log())
	}
	knock()
	d.turns(t, "the other knock", func() bool { return d.counts.past.verdicts[afpacket.Knock] == 2 })
	if got := d.totals().kernel.Passed; got != 2 {
		t.Errorf("%d packets counted", got)
	}
}

// TestRequiredAtReload keeps the configuration in force where another one names
// an interface that is missing.
func TestRequiredAtReload(t *testing.T) {
	d, _ := listener(t, "lo")
	d.requireInterface, d.iface, d.config = true, "", t.TempDir()+"/knockd.conf"
	writeFile(t, d.config, "[options]\nInterface = lo,wan\n[ssh]\nsequence = 7000:udp\n")
	if err := d.tryReload(); err == nil || !strings.Contains(err.Error(), "listen on wan: no such device") || d.until != 0 || d.listeningOn() != "lo" {
		t.Errorf("%v; listening on %s", err, d.listeningOn())
	}
	writeFile(t, d.config, "[options]\nInterface = l*\n[ssh]\nsequence = 7000:udp\n")
	if err := d.tryReload(); err != nil || d.listeningOn() != "l*" {
		t.Errorf("%v; listening on %s", err, d.listeningOn())
	}
}

// TestDown takes an interface down for less than it takes to say so, for
// longer, and renames it meanwhile.
func TestDown(t *testing.T) {
	d, p := listener(t, "w*")
	ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
	d.said(t, p, "listening on wan")
	step := func(after time.Duration, want string, args ...string) {
		t.Helper()
		before := p.log()
		ip(t, args...)
		d.onNetwork()
		d.loop.instant.Now = d.loop.instant.Now.Add(after)
		d.expire()
		if got := strings.TrimPrefix(p.log(), before); got != want {
			t.Errorf("%q: the log says %q, want %q", args, got, want)
		}
	}
	step(downPause/2, "", "link", "set", "lan", "up")
	step(downPause/2, "wan is down: no knock is heard until it is up\n", "link", "set", "lan", "down")
	if d.links.next != matcher.Never {
		t.Error("it is to be said once more")
	}
	step(2*downPause, "wan is up again\n", "link", "set", "wan", "up")
	step(downPause-1, "", "link", "set", "wan", "down")
	step(downPause, "", "link", "set", "wan", "up")
	step(downPause-1, "", "link", "set", "wan", "down")
	step(1, "wan is called wan2 now\nwan2 is down: no knock is heard until it is up\n", "link", "set", "wan", "name", "wan2")
	step(2*downPause, "wan2 is called wan3 now\n", "link", "set", "wan2", "name", "wan3")
	step(2*downPause, "wan3 is up again\n", "link", "set", "wan3", "up")
}

// TestStatusOfLinks tells what is listened on and what is waited for.
func TestStatusOfLinks(t *testing.T) {
	d, p := listener(t, "wan,lo,wg*")
	ip(t, "link", "add", "wg7", "type", "veth", "peer", "name", "lan")
	d.said(t, p, "listening on wg7")
	d.iface = ""
	if s := d.head(); s.Interface != "wan, lo, wg*" || s.Listening != "lo, wg7" || s.Waiting != "wan" {
		t.Errorf("%q, listening on %q, waiting for %q", s.Interface, s.Listening, s.Waiting)
	}
}

// TestNetworkFails has the notices end: the daemon says so once and tries again
// after pauses, without a wake-up in between.
func TestNetworkFails(t *testing.T) {
	d, p := listener(t, "wan")
	good, bad := d.links.network, watchNetwork(t)
	d.loop.forget(good.FD())
	d.links.network = bad
	d.loop.watch(bad.FD(), d.onNetwork)
	d.loop.forget(bad.FD()) // a closed one would leave by itself
	bad.Close()
	d.onNetwork()
	first := d.links.lost.at
	if first != d.loop.instant.Now.Add(firstPause) || d.links.next != first || d.loop.handlers[int32(bad.FD())] != nil {
		t.Errorf("%+v", d.links.lost)
	}
	d.loop.instant.Now = first
	d.expire()
	if d.links.lost.at != first.Add(2*firstPause) || strings.Count(p.log(), "follow the machine's links and addresses") != 1 {
		t.Errorf("%+v\n%s", d.links.lost, p.log())
	}
	ip(t, "link", "add", "wan", "up", "type", "veth", "peer", "name", "lan")
	d.links.network = good
	d.loop.instant.Now = d.links.next
	d.expire()
	if d.links.lost != (retry{}) || d.links.next != matcher.Never || len(d.links.ears) != 1 {
		t.Errorf("%+v", d.links)
	}
	ip(t, "link", "del", "wan")
	d.said(t, p, "waiting for wan")
}

// TestNoNames waits for eth0 or a default route, whichever comes first.
func TestNoNames(t *testing.T) {
	ownNetwork(t)
	d, p := requestDaemon(t, "[ssh]\nsequence = 7000:udp\n")
	d.withSocket(t, "")
	if log := p.log(); !strings.Contains(log, "starting up, listening on eth0\nwaiting for eth0 or a default route\n") {
		t.Errorf("the log is %q", log)
	}
	d.iface = ""
	for _, name := range []string{"dsl", "wan"} {
		ip(t, "link", "add", name, "type", "veth", "peer", "name", name+"2")
		ip(t, "link", "set", name+"2", "up")
		ip(t, "link", "set", name, "up")
		ip(t, "route", "add", "default", "dev", name)
		d.said(t, p, "listening on "+name+": there is no eth0, and it has the default route")
		ip(t, "link", "set", name, "name", "x"+name)
		d.said(t, p, name+" is called x"+name+" now")
		ip(t, "link", "del", "x"+name)
		d.said(t, p, "waiting for eth0 or a default route")
	}
	ip(t, "link", "add", "eth0", "type", "veth", "peer", "name", "lan")
	d.said(t, p, "listening on eth0")
	if got := d.listeningOn(); got != "eth0" {
		t.Error(got)
	}
}

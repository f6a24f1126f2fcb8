package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/afpacket"
	"sesame/matcher"
)

// linksOf reads "1wan+ 2lan": index, name, and a + if it is up.
func linksOf(text string) (links []afpacket.Link) {
	for _, word := range strings.Fields(text) {
		name, up := strings.CutSuffix(word, "+")
		at := strings.IndexFunc(name, func(r rune) bool { return r > '9' })
		index, _ := strconv.Atoi(name[:at])
		links = append(links, afpacket.Link{Index: index, Name: name[at:], Up: up})
	}
	return links
}

var kindNames = [...]string{attach: "attach", gone: "gone", unwanted: "unwanted", altered: "altered"}

func TestPlanLinks(t *testing.T) {
	for _, tt := range []struct{ name, names, links, attached, want, waiting string }{
		{"nothing to do", "wan", "1lo+ 2wan+", "2wan+", "", ""},
		{"one name", "wan", "1lo+ 2wan+", "", "attach 2wan+", ""},
		{"down is no hindrance", "wan", "2wan", "", "attach 2wan", ""},
		{"missing", "wan", "1lo+ 2wan2+", "", "", "wan"},
		{"a list, half of it there", "wan,wg0", "1lo+ 3wg0+", "", "attach 3wg0+", "wan"},
		{"a pattern", "ppp*", "1lo+ 2ppp0+ 3ppp1 4pp", "3ppp1", "attach 2ppp0+", ""},
		{"a pattern for nothing", "ppp*,wan", "2wan+", "2wan+", "", "ppp*"},
		{"two names for one", "ppp*,ppp0", "2ppp0+", "", "attach 2ppp0+", ""},
		{"any", "any", "1lo+ 2wan+", "", "attach 0any+", ""},
		{"any, with none there", "any", "", "", "attach 0any+", ""},
		{"any beside others", "wan,any", "", "0any+", "", ""},
		{"any no more", "wan", "2wan+", "0any+", "unwanted 0any+, attach 2wan+", ""},
		{"any from now on", "any", "2wan+", "2wan+", "gone 2wan+, attach 0any+", ""},
		{"gone", "wan", "1lo+", "2wan+", "gone 2wan+", "wan"},
		{"made again", "wan", "1lo+ 5wan+", "2wan+", "gone 2wan+, attach 5wan+", ""},
		{"its socket is dead", "wan", "2wan+", "-1wan+", "gone -1wan+, attach 2wan+", ""},
		{"renamed to match", "wan", "2wan+", "", "attach 2wan+", ""},
		{"renamed, and matches still", "ppp*", "2ppp7+", "2ppp0+", "altered 2ppp7+", ""},
		{"renamed away", "wan", "2old+", "2wan+", "unwanted 2wan+", "wan"},
		{"two change names", "wan", "2old+ 3wan+", "2wan+", "unwanted 2wan+, attach 3wan+", ""},
		{"down", "wan", "2wan", "2wan+", "altered 2wan", ""},
		{"up", "wan", "2wan+", "2wan", "altered 2wan+", ""},
		{"the last goes first", "wan,lan,wg0", "3lan", "2wan+ 3lan+ 4wg0+", "gone 4wg0+, altered 3lan, gone 2wan+", "wan,wg0"},
		{"no name yet", "", "1lo+ 2wan+", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names := strings.FieldsFunc(tt.names, func(r rune) bool { return r == ',' })
			attached := linksOf(strings.ReplaceAll(tt.attached, "-1", "9"))
			for i := range attached {
				if attached[i].Index == 9 {
					attached[i].Index = -1
				}
			}
			changes, waiting := planLinks(names, linksOf(tt.links), attached)
			var got []string
			for _, c := range changes {
				plus := ""
				if c.link.Up {
					plus = "+"
				}
				got = append(got, kindNames[c.kind]+" "+strconv.Itoa(c.link.Index)+c.link.Name+plus)
				if c.kind != attach && c.link.Index != attached[c.at].Index {
					t.Errorf("%+v is not about %+v", c, attached[c.at])
				}
			}
			if strings.Join(got, ", ") != tt.want || strings.Join(waiting, ",") != tt.waiting {
				t.Errorf("%q, waiting for %q; want %q and %q", got, waiting, tt.want, tt.waiting)
			}
		})
	}
}

func TestDefaultNames(t *testing.T) {
	for _, tt := range []struct{ name, links, attached, route, want string }{
		{"eth0", "1lo+ 2eth0 3wan+", "", "wan", "eth0"},
		{"the default route", "1lo+ 3wan+", "", "wan", "wan"},
		{"neither", "1lo+ 3wan+", "", "", ""},
		{"what is listened on stays", "2eth0+ 3wan+", "3wan+", "eth0", "wan"},
		{"also with another name", "2eth0+ 3dsl+", "3wan+", "eth0", "dsl"},
		{"it is gone", "2eth0+ 4wan+", "3wan+", "wan", "eth0"},
	} {
		got := defaultNames(linksOf(tt.links), linksOf(tt.attached), func() string { return tt.route })
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

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

// TestSocketFails takes a socket away from an interface that is there.
func TestSocketFails(t *testing.T) {
	d, p := listener(t, "lo")
	d.fail(0, errors.New("read packets on lo: out of something"))
	if len(d.links.ears) != 0 || d.links.next > d.loop.instant.Now.Add(firstPause) || !strings.HasSuffix(p.log(), "out of something; it is tried again\n") {
		t.Errorf("%+v\n%s", d.links, p.log())
	}
	d.loop.instant.Now = d.links.next
	d.expire()
	if len(d.links.ears) != 1 || d.links.next != matcher.Never {
		t.Errorf("%+v", d.links)
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

// TestEchoes sends packets through interfaces that stand on each other.
func TestEchoes(t *testing.T) {
	type sent struct {
		link, id int
		after    time.Duration
		again    bool
	}
	for _, tt := range []struct {
		name string
		list []sent
	}{
		{"once", []sent{{link: 2}}},
		{"on a bridge and below it", []sent{{link: 2}, {link: 5, again: true}}},
		{"three times", []sent{{link: 2}, {link: 5, again: true}, {link: 9, again: true}}},
		{"sent twice", []sent{{link: 2}, {link: 2}, {link: 5, again: true}}},
		{"others in between", []sent{{link: 2, id: 1}, {link: 2, id: 2}, {link: 3, id: 3}, {link: 5, id: 1, again: true}, {link: 5, id: 2, again: true}, {link: 5, id: 3, again: true}}},
		{"another packet", []sent{{link: 2, id: 1}, {link: 5, id: 2}}},
		{"late", []sent{{link: 2}, {link: 5, after: echoTime - 1, again: true}, {link: 5, after: 1}}},
	} {
		var s echoes
		now := matcher.Time(time.Hour)
		for i, packet := range tt.list {
			now = now.Add(packet.after)
			b := rawSYN()
			b[5] = byte(packet.id)
			if got := s.heard(now, packet.link, b); got != packet.again {
				t.Errorf("%s: packet %d: %v, want %v", tt.name, i, got, packet.again)
			}
		}
	}
	var s echoes
	for i := range 3 * keptEchoes { // a full table forgets the oldest
		b := rawSYN()
		b[5] = byte(i)
		if s.heard(1, 2, b) || !s.heard(1, 3, b) {
			t.Errorf("packet %d", i)
		}
	}
	if !slices.ContainsFunc(s.kept[:], func(e echo) bool { return e.link == 2 }) {
		t.Error("nothing is kept")
	}
}

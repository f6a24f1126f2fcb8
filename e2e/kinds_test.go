package e2e_test

import (
	"strings"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// linkKind is a kind of link: how it is made on the gateway, under the name
// "new", and where what comes in on it is sent from.
type linkKind struct {
	name string
	make []string // ip's arguments, one command each
	far  []string // the same on the client
	send string   // a link on the gateway, or
	from string   // one on the client
}

var linkKinds = []linkKind{
	{name: "veth", make: []string{"link add new type veth peer name end", "link set end up", "link set new up"}, send: "end"},
	{name: "bridge", make: []string{
		"link add port type veth peer name end", "link set end up", "link set port up",
		"link add new type bridge", "link set port master new", "link set new up",
	}, send: "end"},
	{name: "macvlan", make: []string{"link add link wan name new type macvlan mode bridge", "link set new up"}, from: netns.ClientIf},
	{name: "vxlan",
		make: []string{"link add new type vxlan id 42 dstport 4789 local " + gateway + " remote " + client + " dev wan", "link set new up"},
		far:  []string{"link add end type vxlan id 42 dstport 4789 local " + client + " remote " + gateway + " dev lan", "link set end up"},
		from: "end"},
}

// wantKind listens on a link of a kind before it is there, hears a knock on it,
// and loses it.
func (l *lab) wantKind(make, end func(), knocks func(d *process)) {
	l.t.Helper()
	d := l.listens("new")
	d.wait("waiting for new")
	make()
	d.wait("\nlistening on new"[1:])
	knocks(d)
	end()
	d.wait("new is gone")
}

// ip runs lines of ip's arguments. Kinds that this kernel does not have are
// skipped, whatever else may not be: no package adds them.
func (l *lab) ip(s *netns.Space, lines []string) {
	l.t.Helper()
	for _, line := range lines {
		if out, err := s.Output("ip", strings.Fields(line)...); err != nil && strings.Contains(out, "Unknown device type") {
			l.t.Skip("this kernel cannot: ip " + line)
		} else if err != nil {
			l.t.Fatal(err)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it does not wait for an interface")
	for _, kind := range linkKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.wantKind(func() {
				l.ip(l.gw, kind.make)
				l.ip(l.cl, kind.far)
			}, func() { l.run("ip", "link", "del", "new") }, func(d *process) {
				if kind.from != "" {
					l.knocks(d, l.cl, kind.from, from(1), gateway)
				} else {
					l.knocks(d, l.gw, kind.send, from(1), gateway)
				}
			})
		})
	}
	t.Run("tun", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		cmd := l.gw.Helper("tun", "new")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		l.wantKind(func() {
			p, err := netns.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Kill)
			(&process{p, t}).wait("made")
			l.run("ip", "link", "set", "new", "up")
		}, func() { in.Close() }, func(d *process) {
			// It has no link-layer header: packets come as they are.
			for _, packet := range [][]byte{netns.UDP(from(1), gateway, 7007), netns.UDP("2001:db8:2::7", netns.Gateway6, 7007)} {
				if _, err := in.Write([]byte(hexLine(packet))); err != nil {
					t.Fatal(err)
				}
			}
			d.wait(from(1) + ": heard: OPEN SESAME")
			d.wait("2001:db8:2::7: heard: OPEN SESAME")
		})
	})
	t.Run("ifb", func(t *testing.T) {
		t.Parallel()
		suite.Need(t, "tc")
		l := newLab(t)
		d := l.listens("new,wan")
		d.wait("waiting for new")
		l.ip(l.gw, []string{"link add new type ifb", "link set new up"})
		d.wait("\nlistening on new"[1:])
		l.run("tc", "qdisc", "add", "dev", "wan", "ingress")
		l.run("tc", "filter", "add", "dev", "wan", "parent", "ffff:", "protocol", "all",
			"u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect", "dev", "new")
		// What comes in on wan is sent on it, to be shaped, and goes on from wan
		// then. It is one knock.
		l.knocks(d, l.cl, netns.ClientIf, from(0), gateway)
		for i := range 5 {
			l.inject(l.cl, netns.ClientIf, netns.UDP(from(1+i), gateway, 7007))
		}
		l.settle(d)
		for i := range 5 {
			d.want(from(1+i)+": heard: OPEN SESAME", 1)
		}
		l.run("ip", "link", "del", "new")
		d.wait("new is gone")
	})
	t.Run("lo", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		d := l.listens("lo")
		l.knocks(d, l.gw, "lo", from(1), gateway)
		d.want("waiting", 0)
	})
}

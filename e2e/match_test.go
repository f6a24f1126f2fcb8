package e2e_test

import (
	"testing"

	"sesame/e2e/netns"
)

const door = `
[door]
	sequence = 7000,8000,9000
	seq_timeout = 60
	tcpflags = syn
	command = echo opened for %IP%
`

func tcp(src string, port uint16, flags byte) []byte { return netns.TCP(src, gateway, port, flags) }

func TestKnocks(t *testing.T) {
	t.Parallel()
	const third = "192.0.2.4"
	tests := []struct {
		name    string
		packets [][]byte
		opens   bool
		mend    string // why knockd gets it wrong
	}{
		{name: "right order", packets: syns(client, 7000, 8000, 9000), opens: true},
		{name: "reversed", packets: syns(client, 9000, 8000, 7000)},
		{name: "two swapped", packets: syns(client, 7000, 9000, 8000)},
		{name: "one missing", packets: syns(client, 7000, 9000)},
		{name: "wrong one in between", packets: syns(client, 7000, 9000, 8000, 9000)},
		{name: "right after wrong", packets: syns(client, 9000, 7000, 8000, 9000), opens: true},
		{name: "other ports in between", packets: syns(client, 7000, 123, 8000, 432, 9000), opens: true},
		{name: "udp for tcp", packets: [][]byte{
			tcp(client, 7000, netns.SYN), netns.UDP(client, gateway, 8000), tcp(client, 9000, netns.SYN),
		}},
		{name: "wrong flags", packets: [][]byte{
			tcp(client, 7000, netns.SYN), tcp(client, 8000, netns.FIN), tcp(client, 9000, netns.SYN),
		}},
		{name: "no flags", packets: [][]byte{
			tcp(client, 7000, 0), tcp(client, 8000, 0), tcp(client, 9000, 0),
		}},
		{name: "a packet with wrong flags is no knock", packets: [][]byte{
			tcp(client, 7000, netns.SYN), tcp(client, 9000, netns.ACK), tcp(client, 7000, netns.RST),
			tcp(client, 8000, netns.SYN), tcp(client, 9000, netns.SYN),
		}, opens: true},
		{name: "syn alone accepts syn and ack", packets: [][]byte{
			tcp(client, 7000, netns.SYN), tcp(client, 8000, netns.SYN|netns.ACK), tcp(client, 9000, netns.SYN),
		}, opens: true},
		{name: "each from another address", packets: [][]byte{
			tcp(client, 7000, netns.SYN), tcp(other, 8000, netns.SYN), tcp(third, 9000, netns.SYN),
		}},
		{name: "two at once", packets: append(
			append(syns(client, 7000), syns(other, 7000)...),
			append(syns(client, 8000, 9000), syns(other, 8000)...)...), opens: true},
		{name: "another's wrong knock", packets: append(
			append(syns(client, 7000, 8000), syns(other, 7000, 9000)...),
			syns(client, 9000)...), opens: true},
		{name: "another's wrong knock, who was first", packets: append(append(
			append(syns(other, 7000), syns(client, 7000, 8000)...),
			syns(other, 9000)...), syns(client, 9000)...), opens: true,
			mend: "it drops everybody's progress with the oldest attempt"},
		{name: "every syn twice", packets: syns(client, 7000, 7000, 8000, 8000, 9000, 9000), opens: true,
			mend: "it takes a retransmitted SYN for a wrong knock"},
		{name: "every syn four times", packets: syns(client, 7000, 7000, 7000, 7000, 8000, 8000, 8000, 8000,
			9000, 9000, 9000, 9000), opens: true, mend: "it takes a retransmitted SYN for a wrong knock"},
		{name: "to another address", packets: [][]byte{
			netns.TCP(client, "192.0.2.77", 7000, netns.SYN), netns.TCP(client, "192.0.2.77", 8000, netns.SYN),
			netns.TCP(client, "192.0.2.77", 9000, netns.SYN),
		}},
		{name: "later fragments", packets: fragments(8, false)},
		{name: "later fragments of more", packets: fragments(8, true)},
		{name: "first fragments", packets: fragments(0, true), opens: true},
		{name: "cut short", packets: cut(syns(client, 7000, 8000, 9000), 23)},
		{name: "longer than the packet says", packets: pad(syns(client, 7000, 8000, 9000)), opens: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.mend != "" {
				sesameOnly(t, test.mend)
			}
			l := newLab(t)
			d := l.start(door)
			l.send(test.packets...)
			if test.opens {
				d.wait(client + ": door: OPEN SESAME")
				d.hear("opened for " + client)
			}
			l.settle(d)
			n := 0
			if test.opens {
				n = 1
			}
			d.want(client+": door: OPEN SESAME", n)
			d.want(": door: OPEN SESAME", n)
		})
	}
}

func fragments(offset uint16, more bool) [][]byte {
	var list [][]byte
	for _, p := range syns(client, 7000, 8000, 9000) {
		list = append(list, netns.Fragment(p, offset, more))
	}
	return list
}

// cut keeps n bytes of each packet; the header still promises all.
func cut(list [][]byte, n int) [][]byte {
	for i := range list {
		list[i] = list[i][:n]
	}
	return list
}

// pad adds the bytes that fill up a short frame (RFC 894: 46 are the least).
func pad(list [][]byte) [][]byte {
	for i := range list {
		list[i] = append(list[i], make([]byte, 46-len(list[i]))...)
	}
	return list
}

func TestMixedProtocols(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start(`
[mixed]
	sequence = 7000:udp, 8000:tcp, 8000:udp, 9000
	tcpflags = syn
	command = echo opened for %IP%
`)
	l.send(netns.UDP(other, gateway, 7000), netns.UDP(other, gateway, 8000))
	l.knock(gateway, "7000:udp", "8000:tcp", "8000:udp", "9000")
	d.wait(client + ": mixed: OPEN SESAME")
	d.hear("opened for " + client)
	l.settle(d)
	d.want(": mixed: OPEN SESAME", 1)
}

func TestRepeatedPortAdvances(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start(`
[game]
	sequence = 15637:udp,15637:udp
	command = echo woken by %IP%
`)
	l.knock("-u", gateway, "15637")
	l.settle(d)
	d.want("game: OPEN SESAME", 0)
	l.knock("-u", gateway, "15637")
	d.wait(client + ": game: OPEN SESAME")
	d.hear("woken by " + client)
}

func TestLateKnockStaysShut(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it sees that time is up only when another knock comes")
	l := newLab(t)
	d := l.start(`
[door]
	sequence = 7000,8000,9000
	seq_timeout = 1
	tcpflags = syn
`)
	l.knock(gateway, "7000", "8000")
	d.wait(client + ": door: Stage 2")
	d.wait(client + ": door: sequence timeout (stage 2)")
	l.knock(gateway, "9000")
	l.settle(d)
	d.want(": door: OPEN SESAME", 0)
	d.want("sequence timeout", 1)
	l.knock(gateway, "7000", "8000", "9000")
	d.wait(client + ": door: OPEN SESAME")
}

func TestDoorsAdvanceIndependently(t *testing.T) {
	t.Parallel()
	const doors = `
[front]
	sequence = 7000,8000,9000
	tcpflags = syn
[twin]
	sequence = 7000,8000,9000
	tcpflags = syn
[longer]
	sequence = 7000,8000,9000,6500
	tcpflags = syn
[middle]
	sequence = 8000,9000
	tcpflags = syn
[back]
	sequence = 6000,5500,4000
	tcpflags = syn
`
	tests := []struct {
		name  string
		ports []uint16
		opens []string
		mend  string
	}{
		{"the same sequence twice", []uint16{7000, 8000, 9000}, []string{"front", "twin"}, ""},
		{"one longer than the other", []uint16{7000, 8000, 9000, 6500}, []string{"front", "twin", "longer"},
			"once the shorter ones are open, the longer one stays where it is"},
		{"one within the other", []uint16{7000, 8000, 9000}, []string{"front", "middle"},
			"a source with an attempt in flight cannot start on another door"},
		{"in turns", []uint16{7000, 6000, 8000, 5500, 9000, 4000}, []string{"front", "twin", "back"},
			"a source with an attempt in flight cannot start on another door"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.mend != "" {
				sesameOnly(t, test.mend)
			}
			l := newLab(t)
			d := l.start(doors)
			l.send(syns(client, test.ports...)...)
			l.settle(d)
			for _, name := range test.opens {
				d.want(client+": "+name+": OPEN SESAME", 1)
			}
		})
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	const doors = `
[door]
	sequence = 7000,8000:udp,9000
	tcpflags = syn
	start_command = echo four %IP%
	start_command_6 = echo six %IP%
	cmd_timeout = 1
	stop_command = echo four ends
	stop_command_6 = echo six ends
[fallback]
	sequence = 6000,5000
	command = echo fallback %IP%
[quiet]
	sequence = 4400,3300
	command = echo quiet %IP%
	command_6 =
`
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		d := l.start(doors)
		l.knock("-6", netns.Gateway6, "7000", "8000:udp", "9000")
		d.wait(netns.Client6 + ": door: OPEN SESAME")
		d.wait("door: running command: echo six " + netns.Client6)
		d.wait(netns.Client6 + ": door: command timeout")
		d.hear("six ends")
		l.knock("-6", netns.Gateway6, "6000", "5000")
		d.wait("fallback: running command: echo fallback " + netns.Client6)
		l.knock("-6", netns.Gateway6, "4400", "3300")
		d.wait(netns.Client6 + ": quiet: OPEN SESAME")
		l.settle(d)
		d.want("running command: echo quiet", 0)
		d.want("running command: echo four", 0)
	})
	t.Run("extension headers", func(t *testing.T) {
		t.Parallel()
		sesameOnly(t, "it looks for the port right behind the fixed header")
		l := newLab(t)
		d := l.start(doors)
		syn := func(port uint16) []byte { return netns.TCP(netns.Client6, netns.Gateway6, port, netns.SYN) }
		const hopByHop, destination = 0, 60 // RFC 8200, section 4
		l.send(
			netns.Options6(syn(7000), hopByHop),
			netns.Options6(netns.UDP(netns.Client6, netns.Gateway6, 8000), destination),
			netns.Options6(netns.Options6(syn(9000), destination), hopByHop),
		)
		d.wait(netns.Client6 + ": door: OPEN SESAME")
	})
}

package afpacket

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

var loopback = [4]byte{127, 0, 0, 1}

// linkOf finds a link by its name.
func linkOf(t testing.TB, name string) Link {
	t.Helper()
	n, err := Watch()
	if err != nil {
		t.Error(err)
		return Link{}
	}
	defer n.Close()
	for _, l := range n.Links() {
		if l.Name == name {
			return l
		}
	}
	t.Errorf("there is no %s among %v", name, n.Links())
	return Link{}
}

func listenLo(t testing.TB, in Interest) (*Socket, error) {
	return Listen(linkOf(t, "lo"), Compile(in))
}

// next reads until it has a packet, and returns all that it heard.
func heard(t testing.TB, s *Socket) (packets []matcher.Packet) {
	t.Helper()
	if !readable(t, s.FD()) {
		return nil
	}
	b := NewBatch()
	n, err := s.Read(b)
	if err != nil {
		t.Error(err)
	}
	for i := range n {
		var p matcher.Packet
		if v := Parse(b.Packet(i), &p); v != Knock {
			t.Errorf("packet %x: %v", b.Packet(i), v)
		}
		packets = append(packets, p)
	}
	return packets
}

// TestSocketHears sends to ports inside and outside of the interest: the
// socket hears those inside once each, although on lo every packet passes out
// and in.
func TestSocketHears(t *testing.T) {
	inNamespace(t, func() {
		in := Interest{
			Ports: []matcher.Port{{Number: 7000, Proto: matcher.TCP}, {Number: 9, Proto: matcher.UDP}},
			Flags: matcher.Flags{Set: matcher.SYN},
		}
		s, err := listenLo(t, in)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		udp.send(8)
		udp.send(7000)
		sendSYN(t, loopback, 9)
		sendSYN(t, loopback, 7000) // answered by a RST from port 7000
		udp.send(9)

		got := heard(t, s)
		if n, err := s.Read(NewBatch()); n != 0 || err != nil {
			t.Errorf("Read with nothing left: %d, %v", n, err)
		}
		if len(got) != 2 || got[0].Port != in.Ports[0] || got[0].Flags != matcher.SYN || got[1].Port != in.Ports[1] {
			t.Fatalf("heard %+v", got)
		}
		for _, p := range got {
			if want := addr("127.0.0.1"); p.Src != want || p.Dst != want {
				t.Errorf("%+v: addresses", p)
			}
		}
	})
}

func TestSocketSetFilter(t *testing.T) {
	inNamespace(t, func() {
		udpPort := func(n uint16) Interest {
			return Interest{Ports: []matcher.Port{{Number: n, Proto: matcher.UDP}}}
		}
		s, err := listenLo(t, udpPort(1))
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		udp.send(1) // waits in the socket over the swap
		if err := s.SetFilter(Compile(udpPort(2))); err != nil {
			t.Error(err)
		}
		udp.send(1)
		udp.send(2)
		got := heard(t, s)
		if len(got) != 2 || got[0].Port.Number != 1 || got[1].Port.Number != 2 {
			t.Errorf("heard %+v, want port 1 from before and port 2 from after the swap", got)
		}
	})
}

// TestSocketSetFilterMemory swaps filters under the limit of 32-bit machines,
// which does not hold two programs.
func TestSocketSetFilterMemory(t *testing.T) {
	inNamespace(t, func() {
		const limit = "/proc/sys/net/core/optmem_max"
		if _, err := os.Stat(limit); err != nil {
			t.Log("this kernel has one limit for all namespaces, which stays as it is")
		} else if err := os.WriteFile(limit, []byte("10240"), 0); err != nil {
			t.Error(err)
		}
		in := Interest{Ports: []matcher.Port{{Number: 1, Proto: matcher.UDP}}}
		s, err := listenLo(t, in)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		for _, ports := range []int{1, 3, 30, 300, 3000, 1} {
			in.Ports = in.Ports[:0]
			for i := range ports {
				in.Ports = append(in.Ports, matcher.Port{Number: uint16(1 + 20*i), Proto: matcher.UDP})
			}
			if err := s.SetFilter(Compile(in)); err != nil {
				t.Errorf("%d ports: %v", ports, err)
			}
			udp.send(1)
			if got := heard(t, s); len(got) != 1 {
				t.Errorf("%d ports: heard %+v", ports, got)
			}
		}
		udp.send(2)
		if n, err := s.Read(NewBatch()); n != 0 || err != nil {
			t.Errorf("a port of no interest passes: %d, %v", n, err)
		}
	})
}

// TestSocketCounts leaves packets unread until the receive buffer is full:
// none is lost without being counted.
func TestSocketCounts(t *testing.T) {
	inNamespace(t, func() {
		s, err := listenLo(t, Interest{Ports: []matcher.Port{{Number: 1, Proto: matcher.UDP}}})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		const sent = 20000
		udp := newUDPSender(t, loopback)
		for range sent {
			udp.send(1)
		}
		counts, err := s.Counts()
		if err != nil {
			t.Error(err)
		}
		read, b := uint64(0), NewBatch()
		for {
			n, err := s.Read(b)
			if err != nil {
				t.Error(err)
			}
			if n == 0 {
				break
			}
			read += uint64(n)
		}
		if counts.Passed != sent || counts.Dropped == 0 || counts.Passed-counts.Dropped != read {
			t.Errorf("%d sent, %d read, counted %+v", sent, read, counts)
		}
		udp.send(1)
		if again, err := s.Counts(); err != nil || again.Passed != sent+1 || again.Dropped != counts.Dropped {
			t.Errorf("after one more: %+v, %v", again, err)
		}
	})
}

// TestSocketDown takes a link down and up, and then makes another one of its
// name and index. Of what a socket must hear only the last is nothing.
func TestSocketDown(t *testing.T) {
	inNamespace(t, func() {
		ip(t, "link", "add", "wan", "index", "77", "type", "veth", "peer", "name", "lan")
		ip(t, "link", "set", "lan", "up")
		wan, b := linkOf(t, "wan"), NewBatch()
		if wan != (Link{77, "wan", false}) {
			t.Errorf("%+v", wan)
		}
		s, err := Listen(wan, Compile(Interest{Ports: []matcher.Port{{Number: 9, Proto: matcher.UDP}}}))
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		quiet := func(step string) {
			t.Helper()
			readable(t, s.FD()) // it was told
			if n, err := s.Read(b); n != 0 || err != nil {
				t.Errorf("%s: %d, %v", step, n, err)
			}
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.FD()), Events: unix.POLLIN}}, 0); n != 0 || err != nil {
				t.Errorf("%s: it is told again: %d, %v", step, n, err)
			}
		}
		hear := func(step string) {
			t.Helper()
			throughLink(t, s)
			if n, err := s.Read(b); n < 1 || err != nil || b.Link(0) != wan.Index {
				t.Errorf("%s: heard %d, on %d, %v", step, n, b.Link(0), err)
			}
		}
		quiet("never up")
		ip(t, "link", "set", "wan", "up")
		hear("up")
		ip(t, "link", "set", "wan", "down")
		quiet("down")
		ip(t, "link", "set", "wan", "name", "wan2")
		ip(t, "link", "set", "wan2", "up")
		hear("up again, with another name")
		if !s.Bound(wan.Index) || s.Bound(wan.Index+1) {
			t.Error("Bound before the link was deleted")
		}
		ip(t, "link", "del", "wan2")
		quiet("deleted")
		ip(t, "link", "add", "wan", "index", "77", "type", "veth", "peer", "name", "lan")
		if s.Bound(wan.Index) {
			t.Error("bound to the new link of the index")
		}
	})
}

// throughLink sends a packet into lan until s has one: the kernel throws away
// what is sent before the link is in use, a moment after it is up.
func throughLink(t *testing.T, s *Socket) {
	t.Helper()
	from, to := newLinkSender(t), linkAddress(t, "lan")
	defer unix.Close(from.fd)
	for range 1000 {
		unix.Sendto(from.fd, packet(t, ip4UDP+udp9), 0, to)
		if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(s.FD()), Events: unix.POLLIN}}, 10); n == 1 {
			return
		}
	}
	t.Error("no packet comes through the link")
}

// TestSocketAny hears on two interfaces, one of which comes later, and knows
// on which.
func TestSocketAny(t *testing.T) {
	inNamespace(t, func() {
		s, err := Listen(Any, Compile(Interest{Ports: []matcher.Port{{Number: 9, Proto: matcher.UDP}}}))
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
		ip(t, "link", "set", "wan", "up")
		ip(t, "link", "set", "lan", "up")
		b := NewBatch()
		for _, name := range []string{"lo", "wan"} {
			if name == "lo" {
				newUDPSender(t, loopback).send(9)
			} else {
				throughLink(t, s)
			}
			readable(t, s.FD())
			if n, err := s.Read(b); n < 1 || err != nil || b.Link(0) != linkOf(t, name).Index {
				t.Errorf("%s: heard %d, on %d, %v", name, n, b.Link(0), err)
			}
		}
		if !s.Bound(Any.Index) {
			t.Error("not bound to all")
		}
	})
}

func TestListenErrors(t *testing.T) {
	inNamespace(t, func() {
		if err := Allowed(); err != nil {
			t.Error(err)
		}
		_, err := Listen(Link{Index: 99, Name: "wan0"}, Compile(Interest{}))
		if !errors.Is(err, unix.ENODEV) || !strings.HasPrefix(err.Error(), "listen on wan0: ") {
			t.Errorf("missing interface: %v", err)
		}
		// The thread ends with this function, so it may lose its capabilities.
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
		}
		_, err = Listen(Any, Compile(Interest{}))
		for _, err := range []error{err, Allowed()} {
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
				t.Errorf("missing capability: %v", err)
			}
		}
	})
}

func TestSocketReadNoAllocs(t *testing.T) {
	inNamespace(t, func() {
		s, err := listenLo(t, Interest{Ports: []matcher.Port{{Number: 1, Proto: matcher.UDP}}})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		var p matcher.Packet
		read, b := 0, NewBatch()
		for range 300 {
			udp.send(1)
		}
		allocs := testing.AllocsPerRun(100, func() {
			n, _ := s.Read(b)
			for i := range n {
				Parse(b.Packet(i), &p)
			}
			read += n
		})
		if allocs != 0 || read != 300 {
			t.Errorf("%v allocations a read, %d packets; want 0, 300", allocs, read)
		}
	})
}

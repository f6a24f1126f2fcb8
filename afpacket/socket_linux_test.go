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

// next reads until it has a packet, and returns all that it heard.
func heard(t testing.TB, s *Socket) (packets []matcher.Packet) {
	t.Helper()
	if !readable(t, s.FD()) {
		return nil
	}
	n, err := s.Read()
	if err != nil {
		t.Error(err)
	}
	for i := range n {
		var p matcher.Packet
		if v := Parse(s.Packet(i), &p); v != Knock {
			t.Errorf("packet %x: %v", s.Packet(i), v)
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
		s, err := Listen("lo", in)
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
		if n, err := s.Read(); n != 0 || err != nil {
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
		s, err := Listen("lo", udpPort(1))
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		udp.send(1) // waits in the socket over the swap
		if err := s.SetFilter(udpPort(2)); err != nil {
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
		s, err := Listen("lo", in)
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
			if err := s.SetFilter(in); err != nil {
				t.Errorf("%d ports: %v", ports, err)
			}
			udp.send(1)
			if got := heard(t, s); len(got) != 1 {
				t.Errorf("%d ports: heard %+v", ports, got)
			}
		}
		udp.send(2)
		if n, err := s.Read(); n != 0 || err != nil {
			t.Errorf("a port of no interest passes: %d, %v", n, err)
		}
	})
}

// TestSocketCounts leaves packets unread until the receive buffer is full:
// none is lost without being counted.
func TestSocketCounts(t *testing.T) {
	inNamespace(t, func() {
		s, err := Listen("lo", Interest{Ports: []matcher.Port{{Number: 1, Proto: matcher.UDP}}})
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
		read := uint64(0)
		for {
			n, err := s.Read()
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

func TestSocketDown(t *testing.T) {
	inNamespace(t, func() {
		ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
		ip(t, "link", "set", "wan", "up")
		a, err := WatchAddresses()
		if err != nil {
			t.Error(err)
			return
		}
		defer a.Close()
		s, err := Listen("wan", Interest{})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		down := func(step string, exists bool) {
			t.Helper()
			readable(t, s.FD())
			if _, err := s.Read(); !errors.Is(err, ErrDown) {
				t.Errorf("%s: Read = %v, want ErrDown", step, err)
			}
			if n, err := s.Read(); n != 0 || err != nil {
				t.Errorf("%s: ErrDown came more than once: %d, %v", step, n, err)
			}
			if s.Exists() != exists {
				t.Errorf("%s: Exists = %v", step, !exists)
			}
			if s.Up() {
				t.Errorf("%s: Up = true", step)
			}
		}
		ip(t, "link", "set", "wan", "down")
		down("down", true)
		ip(t, "link", "set", "wan", "up")
		if !s.Up() {
			t.Error("up: Up = false")
		}
		if err := a.Update(); err != nil {
			t.Error(err)
		}
		ip(t, "link", "del", "wan")
		down("deleted", false)
		readable(t, a.FD())
		if err := a.Update(); err != nil {
			t.Error(err)
		}
	})
}

func TestListenErrors(t *testing.T) {
	inNamespace(t, func() {
		_, err := Listen("wan0", Interest{})
		if !errors.Is(err, unix.ENODEV) || !strings.HasPrefix(err.Error(), "listen on wan0: ") || !strings.Contains(err.Error(), "interfaces here are: lo;") {
			t.Errorf("missing interface: %v", err)
		}
		_, err = Listen("a-name-longer-than-15", Interest{})
		if err == nil || !strings.Contains(err.Error(), "1 to 15 bytes") {
			t.Errorf("long name: %v", err)
		}
		// The thread ends with this function, so it may lose its capabilities.
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
		}
		_, err = Listen("lo", Interest{})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("missing capability: %v", err)
		}
	})
}

func TestSocketReadNoAllocs(t *testing.T) {
	inNamespace(t, func() {
		s, err := Listen("lo", Interest{Ports: []matcher.Port{{Number: 1, Proto: matcher.UDP}}})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		udp := newUDPSender(t, loopback)
		var p matcher.Packet
		read := 0
		for range 300 {
			udp.send(1)
		}
		allocs := testing.AllocsPerRun(100, func() {
			n, _ := s.Read()
			for i := range n {
				Parse(s.Packet(i), &p)
			}
			read += n
		})
		if allocs != 0 || read != 300 {
			t.Errorf("%v allocations a read, %d packets; want 0, 300", allocs, read)
		}
	})
}

func TestAddresses(t *testing.T) {
	inNamespace(t, func() {
		ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
		ip(t, "link", "set", "wan", "up")
		a, err := WatchAddresses()
		if err != nil {
			t.Error(err)
			return
		}
		defer a.Close()
		check := func(want bool, addrs ...string) {
			t.Helper()
			for _, s := range addrs {
				if a.Has(addr(s)) != want {
					t.Errorf("Has(%s) = %v", s, !want)
				}
			}
		}
		change := func(args ...string) {
			t.Helper()
			ip(t, args...)
			readable(t, a.FD())
			if err := a.Update(); err != nil {
				t.Error(err)
			}
		}
		check(true, "127.0.0.1", "::1")
		check(false, "192.0.2.1", "2001:db8::1")
		change("addr", "add", "192.0.2.1/24", "dev", "wan")
		change("addr", "add", "2001:db8::1/64", "dev", "wan", "nodad")
		change("addr", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", "wan")
		check(true, "192.0.2.1", "2001:db8::1", "198.51.100.1")
		check(false, "192.0.2.255", "198.51.100.2", "192.0.2.2")
		change("addr", "del", "192.0.2.1/24", "dev", "wan")
		check(false, "192.0.2.1")
		check(true, "2001:db8::1", "127.0.0.1")
	})
}

package diff_test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"sesame/e2e/suite"

	"golang.org/x/sys/unix"

	"sesame/e2e/netns"
)

// link is a way to send finished IP packets, from any source, to the gateway.
type link interface {
	send(t *testing.T, packets ...[]byte)
	close()
}

// namespace opens the network namespace of a space, which is named by a process
// in it.
func namespace(s *netns.Space) (*os.File, error) {
	resident, err := netns.Start(s.Command("sleep", "60"))
	if err != nil {
		return nil, err
	}
	defer resident.Kill()
	pid, err := resident.PID()
	if err != nil {
		return nil, err
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
}

// inside calls f in another network namespace: a socket stays in the one that
// it was made in. The thread comes back: with it would end the programs that it
// has started (PR_SET_PDEATHSIG).
func inside(ns *os.File, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		panic("a thread is lost in a network namespace: " + back.Error())
	}
	return err
}

// wire is a packet socket of the client.
type wire struct {
	fd      int
	index   int // of the client's interface
	gateway [8]byte
}

// openWire opens it. home is the gateway's namespace.
func openWire(home *os.File, cl *netns.Space) (link, error) {
	w := &wire{}
	if err := inside(home, func() error {
		wan, err := net.InterfaceByName(netns.GatewayIf)
		if err == nil {
			copy(w.gateway[:], wan.HardwareAddr)
		}
		return err
	}); err != nil {
		return nil, err
	}
	ns, err := namespace(cl)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return w, inside(ns, func() error {
		lan, err := net.InterfaceByName(netns.ClientIf)
		if err != nil {
			return err
		}
		w.index = lan.Index
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
}

func (w *wire) close() { unix.Close(w.fd) }

func (w *wire) send(t *testing.T, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		to := unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: w.index, Halen: 6, Addr: w.gateway} // IPv4, big endian
		switch {
		case p[0]>>4 == 6:
			to.Protocol = 0xdd86
		case p[19] == 255: // the last byte of the destination: a broadcast
			to.Addr = [8]byte{255, 255, 255, 255, 255, 255}
		}
		if err := unix.Sendto(w.fd, p, 0, &to); err != nil {
			t.Fatalf("send %x: %v", p, err)
		}
	}
}

// tun is the far end of a tunnel to the gateway: a link without Ethernet, as a
// dial-up line is one.
type tun struct{ *os.File }

// overTun moves the gateway's addresses to a tunnel, and the sender to its end.
func overTun(l *lab) {
	l.t.Helper()
	var line *os.File
	err := inside(l.home, func() (err error) {
		if line, err = os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq("tun0")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(int(line.Fd()), unix.TUNSETIFF, request)
	})
	if err != nil {
		suite.Skip(l.t, "no tunnel: "+err.Error())
	}
	l.wire.close()
	l.wire = tun{line}
	run("ip", "addr", "flush", "dev", netns.GatewayIf)(l)
	run("ip", "link", "set", "tun0", "addrgenmode", "none")(l)
	run("ip", "addr", "add", gateway+"/24", "dev", "tun0")(l)
	run("ip", "addr", "add", gateway6+"/64", "dev", "tun0", "nodad")(l)
	run("ip", "link", "set", "tun0", "up")(l)
}

func (d tun) close() { d.Close() }

func (d tun) send(t *testing.T, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		if _, err := d.Write(p); err != nil {
			t.Fatalf("send %x: %v", p, err)
		}
	}
}

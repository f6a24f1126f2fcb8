package afpacket

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs f in a network namespace of its own, in which lo is up. The
// thread that entered the namespace ends with f, and the namespace with it.
func inNamespace(t testing.TB, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is not used again
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		defer close(done)
		ip(t, "link", "set", "lo", "up")
		f()
	}()
	if err := <-done; err == unix.EPERM && os.Getenv("CI") == "" {
		t.Skip("needs root: a network namespace cannot be made")
	} else if err != nil {
		t.Fatal("make a network namespace:", err)
	}
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Errorf("ip %v: %v\n%s", args, err, out)
	}
}

// udpSender sends datagrams of one byte to ports of an IPv4 address.
type udpSender struct {
	t  testing.TB
	fd int
	to unix.SockaddrInet4
}

func newUDPSender(t testing.TB, addr [4]byte) *udpSender {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
	}
	return &udpSender{t, fd, unix.SockaddrInet4{Addr: addr}}
}

func (s *udpSender) send(port int) {
	s.t.Helper()
	s.to.Port = port
	// What answers (nothing listens) comes back as an error of a later send.
	if err := unix.Sendto(s.fd, []byte{1}, 0, &s.to); err != nil && err != unix.ECONNREFUSED {
		s.t.Errorf("send to port %d: %v", port, err)
	}
}

// sendSYN begins a TCP connection and gives it up.
func sendSYN(t testing.TB, addr [4]byte, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrInet4{Addr: addr, Port: port}); err {
	case nil, unix.EINPROGRESS, unix.ECONNREFUSED:
	default:
		t.Errorf("connect to port %d: %v", port, err)
	}
}

// readable waits until fd can be read, and fails when that takes forever.
func readable(t testing.TB, fd int) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("poll: %d, %v", n, err)
			return false
		}
		return true
	}
}

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sesame/e2e/netns"
)

// wire sends finished frames out of one interface of a namespace.
type wire struct {
	fd       int
	from, to net.HardwareAddr
}

// openWire opens one in space on link; to is the link-layer address at the
// other end.
func openWire(space *netns.Space, link string, to net.HardwareAddr) (*wire, error) {
	w := &wire{fd: -1, to: to}
	err := within(space, func() error {
		i, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		w.from = i.HardwareAddr
		// Protocol 0: nothing is received.
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		// What counts is the receiver's work, so the sender's queue is passed by.
		if err := unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
	})
	if err != nil {
		if w.fd >= 0 {
			unix.Close(w.fd)
		}
		return nil, fmt.Errorf("open a packet socket on %s: %w", link, err)
	}
	return w, nil
}

func (w *wire) close() { unix.Close(w.fd) }

// one sends a single IP packet, as soon as the kernel has room for it.
func (w *wire) one(packet []byte) error {
	for end := netns.Now() + time.Second; ; doze() {
		_, err := unix.Write(w.fd, frame(w.from, w.to, packet))
		if err != unix.ENOBUFS && err != unix.EINTR || netns.Now() > end {
			return err
		}
	}
}

// within calls f in the network namespace of a space: a socket stays in the one
// that it was made in. The thread comes back, because the programs that it has
// started would end with it (PR_SET_PDEATHSIG).
func within(space *netns.Space, f func() error) error {
	pid, release, err := resident(space)
	if err != nil {
		return err
	}
	defer release()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		panic("a thread is lost in a network namespace: " + back.Error())
	}
	return err
}

// resident returns the number of a process in space, which stays until release.
func resident(space *netns.Space) (pid int, release func(), err error) {
	p, err := netns.Start(space.Command("sleep", "60"))
	if err != nil {
		return 0, nil, err
	}
	if pid, err = p.PID(); err != nil {
		p.Kill()
		return 0, nil, err
	}
	return pid, p.Kill, nil
}

// load is a stream of frames, all of one length.
type load struct {
	whole bool                      // what the kernel has no room for is sent again
	frame []byte                    // the first, or the pattern for all
	next  func(i int, frame []byte) // turns an earlier frame into the i-th, from 0; nil: all are the same
	rate  int                       // frames a second; 0: as many as go
	count int                       // how many; 0: until the limit
	limit time.Duration             // when to end in any case; above 0
}

// sent is what became of a load.
type sent struct {
	frames, lost  int           // handed to the kernel; refused by it
	elapsed, busy time.Duration // in all; in system calls that send
	calls         []float64     // of full batches that were not paced: nanoseconds a frame
}

const (
	batch   = 64                     // frames a system call
	quantum = 500 * time.Microsecond // how long a sender sleeps that is ahead
)

// due returns how many frames must have been sent after elapsed.
func due(rate int, elapsed time.Duration) int {
	return int(int64(rate) * elapsed.Microseconds() / 1e6)
}

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
}

// send sends a load. Where the frames of a flood cannot be sent in time it
// sends them late, but nothing after the limit.
func (w *wire) send(l load) (s sent, err error) {
	if l.limit <= 0 {
		return s, errors.New("send: a load without an end")
	}
	var frames [batch][]byte
	var vectors [batch]unix.Iovec
	var messages [batch]message
	for i := range frames {
		frames[i] = append([]byte(nil), l.frame...)
		vectors[i].Base = &frames[i][0]
		vectors[i].SetLen(len(frames[i]))
		messages[i].header.Iov = &vectors[i]
		messages[i].header.SetIovlen(1)
	}
	began := netns.Now()
	for {
		s.elapsed = netns.Now() - began
		i := s.frames + s.lost
		if s.elapsed >= l.limit || l.count > 0 && i >= l.count {
			return s, nil
		}
		n := batch
		if l.count > 0 {
			n = min(n, l.count-i)
		}
		if l.rate > 0 {
			n = min(n, due(l.rate, s.elapsed)-i)
		}
		if n <= 0 {
			doze()
			continue
		}
		if l.next != nil {
			for k := range n {
				l.next(i+k, frames[k])
			}
		}
		before := netns.Now()
		err := s.push(w.fd, messages[:n], l.whole)
		took := netns.Now() - before
		s.busy += took
		if l.rate == 0 && n == batch {
			s.calls = append(s.calls, float64(took.Nanoseconds())/batch)
		}
		if err != nil {
			return s, fmt.Errorf("send %d frames: %w", n, err)
		}
	}
}

// doze sleeps for a quantum or less. The runtime's own sleep would hand the
// goroutine to another thread.
func doze() {
	pause := unix.NsecToTimespec(int64(quantum))
	_ = unix.Nanosleep(&pause, nil)
}

// push hands over all messages, but for those that the kernel has no room for,
// unless all of them must arrive.
func (s *sent) push(fd int, messages []message, whole bool) error {
	for len(messages) > 0 {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
		switch errno {
		case 0:
			s.frames += int(n)
			messages = messages[n:]
		case unix.ENOBUFS:
			if whole {
				doze()
				continue
			}
			s.lost++
			messages = messages[1:]
		case unix.EINTR, unix.EAGAIN:
		default:
			return errno
		}
	}
	return nil
}

package afpacket

import (
	"encoding/binary"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sesame/fault"
	"sesame/matcher"
)

const (
	// dumpTries bounds how often a dump begins anew because of changes. Each of
	// them has a notice of its own, which is taken after the dump.
	dumpTries = 5

	// dumpBuffer is the kernel's largest part of a dump (net/netlink/af_netlink.c,
	// netlink_recvmsg), noticeBuffer more than one notice takes.
	dumpBuffer   = 32 << 10
	noticeBuffer = 8 << 10

	// mostNotices is how many one Update takes, so that a storm of them does not
	// keep its caller from other work.
	mostNotices = 1000
)

// Network is the machine's links and its addresses on all of them, kept up to
// date through rtnetlink notices. It is not safe for concurrent use.
type Network struct {
	network
	fd     int
	stale  bool // a dump is needed
	buffer [noticeBuffer]byte
}

// Watch lists the machine's links and addresses and begins to follow them.
func Watch() (*Network, error) {
	fd, err := netlinkSocket(unix.SOCK_NONBLOCK, unix.RTMGRP_LINK|unix.RTMGRP_IPV4_IFADDR|unix.RTMGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fault.New("follow the machine's links and addresses", err)
	}
	n := &Network{fd: fd}
	// The socket for notices is open already: no change is missed in between.
	if err := n.dump(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return n, nil
}

// FD returns the descriptor to poll for reading; then call Update.
func (n *Network) FD() int { return n.fd }

// Has reports whether addr is an address of the machine. Broadcast and
// multicast addresses are none.
func (n *Network) Has(addr matcher.Addr) bool {
	_, ok := n.own[addr]
	return ok
}

// Len returns how many addresses the machine has.
func (n *Network) Len() int { return len(n.own) }

// Links returns the links in no particular order. The slice is valid until the
// next Update; the caller must not change it.
func (n *Network) Links() []Link { return n.links }

// Update takes the notices that wait, and lists everything again where some
// were lost. It reports whether the links, or routes that are followed, may be
// others than before. After an error what was known before stays in force until
// a later call succeeds.
func (n *Network) Update() (changed bool, err error) {
	for range mostNotices {
		size, err := unix.Read(n.fd, n.buffer[:])
		if err == nil {
			_, _, err = parseNotices(n.buffer[:size], func(n2 notice) { changed = n.take(n2) || changed })
			changed = changed || isRoute(n.buffer[:size])
		}
		switch err {
		case nil, unix.EINTR:
			continue
		case unix.EAGAIN:
		case unix.ENOBUFS, errNetlink: // notices were lost; the list has what they said
			n.stale = true
			continue
		default:
			n.stale = true
			return changed, fault.New("follow the machine's links and addresses", os.NewSyscallError("read", err))
		}
		break
	}
	if n.stale {
		return true, n.dump()
	}
	return changed, nil
}

// FollowRoutes has notices of routes count as changes, or not. There may be
// many of them.
func (n *Network) FollowRoutes(on bool) {
	change := unix.NETLINK_DROP_MEMBERSHIP
	if on {
		change = unix.NETLINK_ADD_MEMBERSHIP
	}
	unix.SetsockoptInt(n.fd, unix.SOL_NETLINK, change, unix.RTNLGRP_IPV4_ROUTE)
	unix.SetsockoptInt(n.fd, unix.SOL_NETLINK, change, unix.RTNLGRP_IPV6_ROUTE)
}

// Close ends the following.
func (n *Network) Close() error { return unix.Close(n.fd) }

// dump replaces what is known by what the kernel has now.
func (n *Network) dump() error {
	n.stale = true
	fd, err := netlinkSocket(0, 0)
	if err != nil {
		return fault.New("list the machine's links and addresses", err)
	}
	defer unix.Close(fd)
	b := make([]byte, dumpBuffer)
	for try, again := 1, true; again && try <= dumpTries; try++ {
		fresh := newNetwork()
		again = false
		for _, kind := range [...]uint16{unix.RTM_GETLINK, unix.RTM_GETADDR} {
			interrupted, err := dump(fd, kind, b, func(n notice) { fresh.take(n) })
			if err != nil {
				return fault.New("list the machine's links and addresses", err)
			}
			again = again || interrupted
		}
		n.network = fresh
	}
	n.stale = false
	return nil
}

// dump asks for one kind of list, with b as a buffer.
func dump(fd int, kind uint16, b []byte, take func(notice)) (again bool, err error) {
	// Both kinds of request have the family in their first byte; for links the
	// kernel wants a whole struct ifinfomsg.
	request := b[:nlHeader+ifInfoMsg]
	clear(request)
	fillHeader(request, kind, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if _, err := unix.Write(fd, request); err != nil { // to the kernel: netlink(7)
		return false, os.NewSyscallError("write", err)
	}
	for {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, os.NewSyscallError("read", err)
		}
		done, interrupted, err := parseNotices(b[:n], take)
		if again = again || interrupted; done || err != nil {
			return again, err
		}
	}
}

// isRoute reports whether a datagram is about a route: RTM_NEWROUTE or
// RTM_DELROUTE.
func isRoute(b []byte) bool {
	return len(b) >= nlHeader && binary.NativeEndian.Uint16(b[4:])&^1 == unix.RTM_NEWROUTE
}

func netlinkSocket(flags int, groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// DefaultRoute returns the name of the interface that the machine's default
// route leaves by, the IPv4 one if there are two, and "" if there is none.
func DefaultRoute() string {
	if name := defaultRoute4(firstRoutes("/proc/thread-self/net/route")); name != "" {
		return name
	}
	return defaultRoute6(firstRoutes("/proc/thread-self/net/ipv6_route"))
}

// firstRoutes reads a list of routes, up to 64 kB of it: some 400. Default routes
// come first for IPv4, and for IPv6 among those of the machine's own networks.
func firstRoutes(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return string(text)
}

package afpacket

import (
	"os"

	"golang.org/x/sys/unix"

	"sesame/fault"
	"sesame/matcher"
)

// Addresses is the set of the machine's own addresses, on all interfaces, kept
// up to date through rtnetlink notices. Its descriptor is ready as well when an
// interface changed or went. It is not safe for concurrent use.
type Addresses struct {
	fd  int
	set map[matcher.Addr]struct{}
}

// WatchAddresses lists the machine's addresses and begins to follow them.
func WatchAddresses() (*Addresses, error) {
	fd, err := netlinkSocket(unix.SOCK_NONBLOCK, unix.RTMGRP_LINK|unix.RTMGRP_IPV4_IFADDR|unix.RTMGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fault.New("follow the machine's addresses", err)
	}
	a := &Addresses{fd: fd}
	// The socket for notices is open already: no change is missed in between.
	if err := a.list(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return a, nil
}

// FD returns the descriptor to poll for reading.
func (a *Addresses) FD() int { return a.fd }

// Has reports whether addr is an address of the machine.
func (a *Addresses) Has(addr matcher.Addr) bool {
	_, ok := a.set[addr]
	return ok
}

// Len returns how many addresses the machine has.
func (a *Addresses) Len() int { return len(a.set) }

// Update takes the notices that wait and lists the addresses again. After an
// error the addresses known before stay in force.
func (a *Addresses) Update() error {
	var b [4096]byte
	for {
		_, err := unix.Read(a.fd, b[:])
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			return a.list()
		case unix.ENOBUFS: // notices were lost; the list has what they said
		default:
			return fault.New("follow the machine's addresses", os.NewSyscallError("read", err))
		}
	}
}

// Close ends the following.
func (a *Addresses) Close() error { return unix.Close(a.fd) }

// list replaces the set by what the kernel has now.
func (a *Addresses) list() error {
	set := map[matcher.Addr]struct{}{}
	if err := dumpAddrs(func(addr matcher.Addr) { set[addr] = struct{}{} }); err != nil {
		return fault.New("list the machine's addresses", err)
	}
	a.set = set
	return nil
}

func dumpAddrs(add func(matcher.Addr)) error {
	fd, err := netlinkSocket(0, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request := [nlHeader + ifAddrMsg]byte{}
	fillHeader(request[:], unix.RTM_GETADDR, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if _, err := unix.Write(fd, request[:]); err != nil { // to the kernel: netlink(7)
		return os.NewSyscallError("write", err)
	}
	b := make([]byte, 32<<10) // the kernel's largest part of a dump
	for {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("read", err)
		}
		if done, err := parseAddrs(b[:n], add); done || err != nil {
			return err
		}
	}
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

//go:build unix

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket is an unconnected socket for one packet.
type socket struct {
	fd   int
	addr netip.Addr
}

// open makes a socket for a packet, bound as its path says.
func open(p packet) (*socket, error) {
	domain, kind := unix.AF_INET, unix.SOCK_STREAM
	if p.addr.Is6() {
		domain = unix.AF_INET6
	}
	if p.udp {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	unix.CloseOnExec(fd)
	s := &socket{fd, p.addr}
	if err := s.bind(p.path); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) bind(way path) error {
	// A connection attempt must not wait for its answer.
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return fmt.Errorf("set a socket up: %w", err)
	}
	if way.iface != "" {
		if err := bindInterface(uintptr(s.fd), s.addr.Is6(), way.iface); err != nil {
			return fmt.Errorf("--interface %s: %w", way.iface, err)
		}
	}
	if !way.source.IsValid() {
		return nil
	}
	sa, err := sockaddr(way.source, 0)
	if err == nil {
		err = unix.Bind(s.fd, sa)
	}
	if err != nil {
		return fmt.Errorf("send from %s: %w", way.source, err)
	}
	return nil
}

func (s *socket) close() { unix.Close(s.fd) }

// connect gives the socket its destination; for TCP that sends a SYN.
func (s *socket) connect(port uint16) error {
	sa, err := sockaddr(s.addr, port)
	if err != nil {
		return err
	}
	return unix.Connect(s.fd, sa)
}

// knock sends the packet. An answer, whatever it is, is no error: it may come
// before connect returns.
func (s *socket) knock(p packet) error {
	err := s.connect(p.port)
	if !p.udp {
		switch {
		case err == nil, errors.Is(err, unix.EINPROGRESS), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
			return s.settle()
		}
		return err
	}
	if err != nil {
		return err
	}
	// An error of an earlier packet cannot be here: the socket is new.
	err = unix.Sendto(s.fd, nil, 0, nil)
	return os.NewSyscallError("send", err)
}

func sockaddr(addr netip.Addr, port uint16) (unix.Sockaddr, error) {
	if addr.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: addr.As4()}, nil
	}
	zone, err := zoneIndex(addr)
	return &unix.SockaddrInet6{Port: int(port), Addr: addr.As16(), ZoneId: zone}, err
}

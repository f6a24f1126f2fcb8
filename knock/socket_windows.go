package main

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

// From winsock2.h and ws2ipdef.h.
const (
	fionbio       = 0x8004667e
	ipUnicastIf   = 31
	ipv6UnicastIf = 31
)

// socket is an unconnected socket for one packet.
type socket struct {
	fd   windows.Handle
	addr netip.Addr
}

// open makes a socket for a packet, bound as its path says.
func open(p packet) (*socket, error) {
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil { // Winsock 2.2
		return nil, fmt.Errorf("start Winsock: %w", err)
	}
	domain, kind, proto := windows.AF_INET, windows.SOCK_STREAM, windows.IPPROTO_TCP
	if p.addr.Is6() {
		domain = windows.AF_INET6
	}
	if p.udp {
		kind, proto = windows.SOCK_DGRAM, windows.IPPROTO_UDP
	}
	fd, err := windows.Socket(domain, kind, proto)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &socket{fd, p.addr}
	if err := s.bind(p.path, p.udp); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) bind(way path, udp bool) error {
	on, got := uint32(1), uint32(0)
	if err := windows.WSAIoctl(s.fd, fionbio, (*byte)(unsafe.Pointer(&on)), 4, nil, 0, &got, nil, 0); err != nil {
		return fmt.Errorf("set a socket up: %w", err)
	}
	if !udp {
		if err := windows.SetsockoptLinger(s.fd, windows.SOL_SOCKET, windows.SO_LINGER, &windows.Linger{Onoff: 1}); err != nil {
			return fmt.Errorf("set a socket up: %w", err)
		}
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
		err = windows.Bind(s.fd, sa)
	}
	if err != nil {
		return fmt.Errorf("send from %s: %w", way.source, err)
	}
	return nil
}

func (s *socket) close() { _ = windows.Closesocket(s.fd) }

// connect gives the socket its destination; for TCP that sends a SYN.
func (s *socket) connect(port uint16) error {
	sa, err := sockaddr(s.addr, port)
	if err != nil {
		return err
	}
	return windows.Connect(s.fd, sa)
}

// knock sends the packet. An answer, whatever it is, is no error.
func (s *socket) knock(p packet) error {
	err := s.connect(p.port)
	switch {
	case !p.udp && (errors.Is(err, windows.WSAEWOULDBLOCK) || errors.Is(err, windows.WSAECONNREFUSED)):
		return nil
	case err != nil || !p.udp:
		return err
	}
	var empty byte
	var sent uint32
	if err := windows.WSASend(s.fd, &windows.WSABuf{Buf: &empty}, 1, &sent, 0, nil, nil); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// left is not known: Windows does not tell when a packet has left.
func (s *socket) left() (left, known bool) { return false, false }

// bindInterface sets IP_UNICAST_IF. The option for IPv4 takes the index in
// network byte order, the one for IPv6 in the machine's.
func bindInterface(fd uintptr, v6 bool, name string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if v6 {
		return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, ipv6UnicastIf, link.Index)
	}
	index := int32(bits.ReverseBytes32(uint32(link.Index)))
	return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, ipUnicastIf, int(index))
}

func sockaddr(addr netip.Addr, port uint16) (windows.Sockaddr, error) {
	if addr.Is4() {
		return &windows.SockaddrInet4{Port: int(port), Addr: addr.As4()}, nil
	}
	zone, err := zoneIndex(addr)
	return &windows.SockaddrInet6{Port: int(port), Addr: addr.As16(), ZoneId: zone}, err
}

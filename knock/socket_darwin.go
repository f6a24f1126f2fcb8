package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// bindInterface sets IP_BOUND_IF, see ip(4) of macOS.
func bindInterface(fd uintptr, v6 bool, name string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if v6 {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_BOUND_IF, link.Index)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BOUND_IF, link.Index)
}

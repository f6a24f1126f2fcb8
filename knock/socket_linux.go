package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// settle ends a connection attempt whose SYN is on its way, so that the kernel
// does not send it again when it has to wait long for a neighbour. A new
// destination of no family does that (connect(2)); unlike shutdown(2) it sends
// no FIN where the answer has come already, and the socket remains.
func (s *socket) settle() error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return fmt.Errorf("end the attempt: %w", errno)
	}
	return nil
}

// wmemAlloc is SK_MEMINFO_WMEM_ALLOC of linux/sock_diag.h: the place in
// SO_MEMINFO's answer of the bytes handed to the network and not yet freed.
const wmemAlloc = 2

// left reports whether the socket's packet has left the machine. It counts as
// sent while it waits for a neighbour, in a queue or in the card's ring. Not
// known before Linux 4.12, which has no SO_MEMINFO.
func (s *socket) left() (left, known bool) {
	var info [16]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info[wmemAlloc] == 0, errno == 0 && size > 4*wmemAlloc
}

// bindInterface needs no right since Linux 5.7; before, CAP_NET_RAW.
func bindInterface(fd uintptr, _ bool, name string) error {
	return unix.BindToDevice(int(fd), name)
}

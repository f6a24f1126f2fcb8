package netns

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// inject sends each line of standard input (hex, from the IP header on) on a
// link of this namespace, to all stations of it.
func inject(link string) error {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	w := &wire{ifi: ifi.Index, mac: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	w.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	// Without the queue, which the kernel puts on a link up to a second after it
	// is up: until then it throws away what is sent. SOL_PACKET and
	// PACKET_QDISC_BYPASS of linux/socket.h and linux/if_packet.h.
	if err := syscall.SetsockoptInt(w.fd, 263, 20, 1); err != nil {
		return err
	}
	return eachPacket(func(p []byte) error { return syscall.Sendto(w.fd, p, 0, w.to(p)) })
}

// tun makes a tun link, which has no link-layer header, and lets each line of
// standard input come in on it. The link is gone when the input ends.
func tun(name string) error {
	// The /dev of a Space has no folder for it; 10 and 200 are its numbers in
	// the kernel's list of allocated devices.
	if err := os.MkdirAll("/dev/net", 0o755); err != nil {
		return err
	}
	if err := syscall.Mknod("/dev/net/tun", syscall.S_IFCHR|0o600, 10<<8|200); err != nil && !os.IsExist(err) {
		return err
	}
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	// struct ifreq and numbers of linux/if_tun.h: IFF_TUN, IFF_NO_PI, TUNSETIFF.
	var req struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:15], name)
	req.flags = 0x0001 | 0x1000
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), 0x400454ca, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("make the link %s: %w", name, errno)
	}
	fmt.Println("made")
	return eachPacket(func(p []byte) error {
		_, err := syscall.Write(fd, p)
		return err
	})
}

// eachPacket calls send for each line of standard input.
func eachPacket(send func([]byte) error) error {
	in := bufio.NewReader(os.Stdin)
	for {
		var p []byte
		if _, err := fmt.Fscanf(in, "%x\n", &p); err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a packet: %w", err)
		}
		if err := send(p); err != nil {
			return fmt.Errorf("send %x: %w", p, err)
		}
	}
}

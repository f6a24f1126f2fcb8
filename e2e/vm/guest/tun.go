//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Types of links (the kernel's include/uapi/linux/if_arp.h).
const (
	arphrdNone  = unix.ARPHRD_NONE  // what tun is
	arphrdVoid  = unix.ARPHRD_VOID  // OpenVZ's venet
	arphrdRawIP = unix.ARPHRD_RAWIP // modems without Ethernet
)

// openTun makes a tun device of the given type in a namespace.
func (s space) openTun(name string, arphrd int) (f *os.File, err error) {
	err = s.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err == nil {
			err = unix.IoctlSetInt(fd, unix.TUNSETLINK, arphrd)
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: make %s: %w", s, name, err)
	}
	return f, nil
}

func tunFar(name string, arphrd int) func(l *lab) error {
	return func(l *lab) (err error) {
		if l.tun[1], err = l.distant.openTun(name, arphrd); err != nil {
			return err
		}
		return l.distant.run(addresses(name, false, false, far4, far6)...)
	}
}

func tunNear(name string, arphrd int) func(l *lab) error {
	return func(l *lab) (err error) {
		if l.tun[0], err = l.gw.openTun(name, arphrd); err != nil {
			return err
		}
		go carry(l.tun[0], l.tun[1])
		go carry(l.tun[1], l.tun[0])
		return l.gw.run(addresses(name, false, false, near4, near6)...)
	}
}

// carry hands packets on until one of the devices is closed. One that the other
// device does not take is lost, as on a line.
func carry(from, to *os.File) {
	buf := make([]byte, 65536)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); errors.Is(err, os.ErrClosed) {
			return
		} else if err != nil {
			fmt.Println("a packet is lost:", err)
		}
	}
}

// endTun closes gw's device, which removes it.
func (l *lab) endTun() error { return l.tun[0].Close() }

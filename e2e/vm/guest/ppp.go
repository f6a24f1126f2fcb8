//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// pppOptions are for both sides of PPP.
const pppOptions = `noauth
nodetach
noccp
novj
nodefaultroute
+ipv6
debug
`

// serverLog is where the far side of PPPoE tells what it does.
const serverLog = "/tmp/pppoe-server.log"

// pppoeServer starts an access concentrator, which has one address to give. Its
// side is no PPPoE of the kernel's, because Debian builds it without.
func (l *lab) pppoeServer() (err error) {
	l.server, err = l.distant.start(fmt.Sprintf("pppoe-server -F -I lan -L %v -R %v -N 1 -q /bin/pppd -Q /bin/pppoe", far4, l.own4))
	return err
}

// pppoeClient dials in. It goes on by itself when it was cut off; then the
// server is what comes again, with another address to give.
func (l *lab) pppoeClient() error {
	if l.own4 == redialed {
		if err := l.pppoeServer(); err != nil {
			return err
		}
	} else if _, err := l.gw.start("pppd plugin /lib/pppoe.so nic-wan persist maxfail 0 holdoff 1 noipdefault unit 0"); err != nil {
		return err
	}
	return l.pppAddresses()
}

// ppp joins two of pppd by a pair of sockets, which stand for a serial line.
func (l *lab) ppp() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "line"), os.NewFile(uintptr(pair[1]), "line")
	defer near.Close()
	defer far.Close()
	if l.server, err = l.distant.startOn(far, fmt.Sprintf("pppd notty logfd 2 %v:%v", far4, l.own4)); err != nil {
		return err
	}
	if _, err = l.gw.startOn(near, "pppd notty logfd 2 noipdefault"); err != nil {
		return err
	}
	return l.pppAddresses()
}

// pppAddresses waits for the addresses that PPP gives and adds those that it
// does not.
func (l *lab) pppAddresses() error {
	for _, side := range []struct {
		space
		has string
		add string
	}{{l.gw, l.own4.String(), near6.String()}, {l.distant, far4.String(), far6.String()}} {
		err := eventually("ppp0 with the address "+side.has, func() error {
			out, err := side.output("ip addr show dev ppp0 up")
			if err == nil && !strings.Contains(out, "inet "+side.has+" peer") {
				err = errors.New("there is another or none")
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := side.run("ip addr add " + side.add + "/64 dev ppp0 nodad"); err != nil {
			return err
		}
	}
	return nil
}

// endServer hangs up, from the far side. The next address is another one.
func (l *lab) endServer() error {
	l.own4 = redialed
	if err := l.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-l.server.over
	return nil
}

// wgFar makes both sides' keys and the far side of WireGuard.
func (l *lab) wgFar() error {
	for i, name := range []string{"gw", "far"} {
		key, err := space("").output("wg genkey")
		if err != nil {
			return err
		}
		file := path.Join("/tmp", name)
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			return err
		}
		if l.keys[i], err = space("").pipe(key, "wg pubkey"); err != nil {
			return err
		}
	}
	return l.distant.run(append([]string{
		"ip link add wg0 type wireguard",
		fmt.Sprintf("wg set wg0 private-key /tmp/far listen-port 51820 peer %s allowed-ips 0.0.0.0/0,::/0 endpoint %v:51820", l.keys[0], wan4),
	}, addresses("wg0", false, false, far4, far6)...)...)
}

func (l *lab) wgNear() error {
	return l.gw.run(append([]string{
		"ip link add wg0 type wireguard",
		fmt.Sprintf("wg set wg0 private-key /tmp/gw listen-port 51820 peer %s allowed-ips 0.0.0.0/0,::/0 endpoint %v:51820 persistent-keepalive 1", l.keys[1], lan4),
	}, addresses("wg0", false, false, near4, near6)...)...)
}

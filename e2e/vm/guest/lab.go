//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// doors are what both daemons listen for. One that a single packet opens shows
// whether a packet is taken for two that is heard on a link and on what is below.
const doors = `[options]
[vm]
	sequence = 7000,8000,9000
	tcpflags = syn
[once]
	sequence = 7007:udp
`

// lab is one kind's test.
type lab struct {
	kind
	gw, distant space
	own4        netip.Addr // gw's on the link
	daemon      *process   // listens on the link
	any         *process   // listens on all
	server      *process   // makes far's side of the link
	tun         [2]*os.File
	keys        [2]string // WireGuard's public ones, gw's first
}

// test makes the link, knocks through it, ends it, makes it again and knocks
// through it again. It returns what was not right.
func (k kind) test() (faults []string) {
	if k.pattern == "" {
		k.pattern = k.link
	}
	l := &lab{kind: k, gw: "gw", distant: "far", own4: near4}
	fault := func(err error) {
		if err != nil {
			faults = append(faults, strings.ReplaceAll(err.Error(), "\n", " | "))
		}
	}
	fault(l.play())
	fault(l.endDaemons())
	if len(faults) > 0 {
		l.tell()
	}
	fault(l.clear())
	return faults
}

func (l *lab) play() error {
	if err := l.open(); err != nil {
		return err
	}
	if !l.alone {
		if err := l.besides(); err != nil {
			return err
		}
	}
	if err := l.far(l); err != nil {
		return err
	}
	for round := 1; round <= 2; round++ {
		if err := l.near(l); err != nil {
			return err
		}
		// A link that is made again has another hardware address.
		if err := l.distant.run("ip neigh flush all"); err != nil {
			return err
		}
		if err := l.daemon.wait("listening on "+l.link, round); err != nil {
			return err
		}
		if err := l.knocks(round); err != nil {
			return fmt.Errorf("knocks, round %d: %w", round, err)
		}
		if round == 2 {
			return nil
		}
		if err := l.cut(l); err != nil {
			return err
		}
		if err := l.daemon.wait(l.link+" is gone", 1); err != nil {
			return err
		}
		if err := l.daemon.wait("waiting for "+l.pattern, 2); err != nil {
			return err
		}
	}
	return nil
}

// open makes the namespaces and starts the daemons.
func (l *lab) open() (err error) {
	root := space("")
	if err := root.run("ip netns add gw", "ip netns add far", "ip link add wan netns gw type veth peer name lan netns far"); err != nil {
		return err
	}
	for _, side := range []struct {
		space
		link       string
		own4, own6 netip.Addr
	}{{l.gw, "wan", wan4, wan6}, {l.distant, "lan", lan4, lan6}} {
		// Else wan answers for the address of a link that is made on it.
		err := side.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/conf/all/arp_ignore", []byte("1"), 0) })
		if err != nil {
			return err
		}
		if err := side.run(append([]string{"ip link set lo up"}, addresses(side.link, false, false, side.own4, side.own6)...)...); err != nil {
			return err
		}
	}
	if l.daemon, err = l.gw.start("sesame -c /etc/knockd.conf -i " + l.pattern); err != nil {
		return err
	}
	if l.any, err = l.gw.start("sesame -c /etc/knockd.conf -i any"); err != nil {
		return err
	}
	if err := l.daemon.wait("waiting for "+l.pattern, 1); err != nil {
		return err
	}
	return l.any.wait("starting up, listening on any", 1)
}

// besides knocks past the link that is to be made: only the daemon that listens
// on all is to hear that.
func (l *lab) besides() error {
	for _, to := range []netip.Addr{wan4, wan6} {
		if err := l.distant.knock(to); err != nil {
			return err
		}
	}
	return errors.Join(l.any.opens(lan4, 1), l.any.opens(lan6, 1))
}

// opened are what a daemon says when the doors open.
func opened(from netip.Addr) [2]string {
	return [2]string{from.String() + ": vm: OPEN SESAME", from.String() + ": once: OPEN SESAME"}
}

// knocks knocks through the link with what it carries, the n-th time.
func (l *lab) knocks(n int) error {
	for _, k := range []struct {
		no       bool
		to, from netip.Addr
	}{{l.no4, l.own4, far4}, {l.no6, near6, far6}} {
		if k.no {
			continue
		}
		if err := l.distant.reach(k.to); err != nil {
			return err
		}
		if err := l.distant.knock(k.to); err != nil {
			return err
		}
		if err := l.daemon.opens(k.from, n); err != nil {
			return err
		}
		if err := l.any.opens(k.from, n); err != nil {
			return err
		}
	}
	return nil
}

// endDaemons ends both, and counts what they heard: each knock once.
func (l *lab) endDaemons() error {
	var errs []error
	for _, d := range []struct {
		*process
		besides int
	}{{l.daemon, 0}, {l.any, when(!l.alone, 1)}} {
		if d.process == nil {
			continue
		}
		errs = append(errs, d.stop())
		for _, want := range []struct {
			from netip.Addr
			n    int
		}{{far4, when(!l.no4, 2)}, {far6, when(!l.no6, 2)}, {lan4, d.besides}, {lan6, d.besides}} {
			for _, line := range opened(want.from) {
				if got := d.count(line); got != want.n {
					errs = append(errs, fmt.Errorf("%s: %d lines %q, want %d", d.name, got, line, want.n))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// opens returns when both doors have opened n times.
func (p *process) opens(from netip.Addr, n int) error {
	for _, line := range opened(from) {
		if err := p.wait(line, n); err != nil {
			return err
		}
	}
	return nil
}

func when(is bool, n int) int {
	if is {
		return n
	}
	return 0
}

// tell prints what may explain a fault.
func (l *lab) tell() {
	for _, s := range []space{l.gw, l.distant} {
		out, err := s.output("ip addr")
		fmt.Printf("ip addr of %s: %s %v\n", s, out, err)
	}
	if text, err := os.ReadFile(serverLog); err == nil {
		fmt.Printf("%s: %s\n", serverLog, text)
	}
}

// clear ends every other process and removes the namespaces.
func (l *lab) clear() error {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return os.NewSyscallError("kill", err)
	}
	for _, f := range l.tun {
		if f != nil {
			f.Close()
		}
	}
	return space("").run("ip netns del gw", "ip netns del far")
}

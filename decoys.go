package main

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// drawDecoys puts decoys among the ports of the doors, or none.
func (d *doors) drawDecoys(guard *matcher.Guard) error {
	if !d.config.ScanGuard {
		d.matcher.SetDecoys(nil, nil)
		return nil
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	low := ephemeral()
	d.matcher.SetDecoys(guard, matcher.DrawDecoys(d.match, d.config.Decoys, key, func(p matcher.Port) bool {
		// Replies over UDP come to ports of that range, and of Windows machines
		// behind this one to those above it; they look like any packet. TCP
		// repeats the last knocks at doors that have another sequence now.
		return (p.Proto == matcher.TCP || p.Number < low) && !slices.Contains(d.before, p) && !inUse(p)
	}))
	return nil
}

// inUse reports whether a program of this machine has a port: then it cannot be
// had by another.
func inUse(p matcher.Port) bool {
	kind := unix.SOCK_STREAM
	if p.Proto == matcher.UDP {
		kind = unix.SOCK_DGRAM
	}
	// This one takes the port of both families, where the kernel has IPv6.
	if fd, err := unix.Socket(unix.AF_INET6, kind|unix.SOCK_CLOEXEC, 0); err == nil {
		defer unix.Close(fd)
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
		return unix.Bind(fd, &unix.SockaddrInet6{Port: int(p.Number)}) == unix.EADDRINUSE
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.Number)}) == unix.EADDRINUSE
}

// ephemeral returns the first of the ports that programs get which ask for none:
// the kernel's setting, or else its default (ip-sysctl.rst,
// ip_local_port_range).
func ephemeral() (low uint16) {
	const usual = 32768
	f, err := os.Open("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return usual
	}
	word, _, _ := strings.Cut(string(text), "\t")
	n, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		return usual
	}
	return uint16(n)
}

// onScan deals with a source that touched a decoy. A program may have been
// started since the draw that uses the port: then it is no decoy any more.
// Connections that this machine makes use a port for a while as well, from those
// that programs get which ask for none.
func (d *daemon) onScan(now matcher.Time, p *matcher.Packet) {
	// A flood of sources does not take the time to look.
	if !d.limits.allow(now, scanned, &p.Src) {
		return
	}
	if p.Port.Number < ephemeral() && inUse(p.Port) {
		d.doors.matcher.Spare(p.Port)
		d.guard.Forgive(p.Src)
		d.refilter()
		return
	}
	what := ": port scan: its attempts end"
	if d.guard.Lockout > 0 {
		what = ": port scan: ignored for " + strconv.FormatInt(int64(d.guard.Lockout/1e9), 10) + " s"
	}
	d.log.print(p.Src.String() + what)
}

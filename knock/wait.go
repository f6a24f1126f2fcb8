package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// round is how long a door has after a knock before the next knock. It is
// longer than a start command should take, and shorter than most leases.
const round = 4 * time.Second

// gaps are the times between connection attempts within a round; the last one
// repeats. A filter that drops gives no answer, so an attempt from before the
// door opened is lost, and only a new one tells.
var gaps = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}

// errNotOpen is the end of a --wait without success.
type errNotOpen struct{ cause error }

func (e errNotOpen) Error() string { return e.cause.Error() }

// watch connects to the port until it answers or ctx ends. Each attempt goes on
// while later ones start, so that a slow path is no obstacle. The error is why
// the last of those that ended did not succeed.
func watch(ctx context.Context, targets []target, port uint16) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	running := 0
	start := func() {
		for _, t := range targets {
			running++
			go func() { ended <- t.dial(ctx, port) }()
		}
	}
	var last error
	defer func() {
		cancel()
		for ; running > 0; running-- {
			<-ended
		}
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	for n := 0; ; {
		select {
		case <-next.C:
			start()
			next.Reset(gaps[min(n, len(gaps)-1)])
			n++
		case err := <-ended:
			running--
			if err == nil {
				return nil
			}
			if why := reason(err); why != nil {
				last = why
			}
		case <-ctx.Done():
			if last == nil {
				last = errors.New("no answer")
			}
			return last
		}
	}
}

// reason returns what the system said, without the addresses that package net
// puts before it; nil when only the time was up.
func reason(err error) error {
	var errno syscall.Errno
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout(), errors.Is(err, context.Canceled):
		return nil
	case errors.As(err, &errno):
		return errno
	}
	return err
}

// dial makes one whole connection and closes it.
func (t target) dial(ctx context.Context, port uint16) error {
	d := net.Dialer{KeepAlive: -1}
	if t.source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
	}
	if t.iface != "" {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			if failed := c.Control(func(fd uintptr) { err = bindInterface(fd, t.addr.Is6(), t.iface) }); failed != nil {
				return failed
			}
			return err
		}
	}
	c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(t.addr, port).String())
	if err != nil {
		return err
	}
	return c.Close()
}

// Command knock knocks on a door of sesame or knockd: it sends a TCP SYN or an
// empty UDP datagram to each port of a sequence, in order, and can wait until
// the door is open. It takes the command line of knockd's client and needs no
// rights.
//
// A run has three steps. parseArgs and assemble turn the command line and a
// profile into settings, without asking the system for anything but the profile
// file. resolve turns these into a plan: addresses that have a route. knock and
// watch carry the plan out. Only the third step sends packets to the host.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// version is set by the linker.
var version = "dev"

// Exit statuses besides 0. knockd's client has 1 for everything.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitNotOpen = 4
)

func main() {
	err := run(os.Args[1:], os.Stdout, &screen{out: os.Stderr, terminal: isTerminal(os.Stderr)})
	os.Exit(finish(err, os.Stderr))
}

// finish reports err in one line and returns the exit status.
func finish(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "knock: %v\n", err)
	var wrong usageError
	var shut errNotOpen
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &shut):
		return exitNotOpen
	}
	return exitFailed
}

func run(args []string, stdout io.Writer, terminal *screen) error {
	r, err := parseArgs(args)
	switch {
	case err != nil:
		return err
	case r.help:
		_, err = io.WriteString(stdout, usage())
		return err
	case r.version:
		_, err = fmt.Fprintf(stdout, "knock %s (sesame)\n", version)
		return err
	case r.list:
		return list(stdout)
	case r.ssh != "":
		return printSSH(stdout, r.ssh)
	}
	s, err := assemble(r, findProfile)
	if err != nil {
		return err
	}
	ctx := context.Background()
	p, err := resolve(ctx, s, func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	})
	if err != nil {
		return err
	}
	p.say = func(text string) {
		if r.verbosity >= 0 {
			terminal.note(text)
		}
	}
	for _, note := range p.notes {
		p.note(note)
	}
	if r.verbosity != 0 {
		terminal.terminal = false
	}
	defer terminal.clear()
	return p.carryOut(ctx, r.verbosity > 0, stdout, terminal)
}

// carryOut knocks, and again until the door is open where that is asked for.
func (p *plan) carryOut(ctx context.Context, verbose bool, stdout io.Writer, terminal *screen) error {
	total := len(p.packets())
	say := func(i int, next packet) {
		if verbose {
			fmt.Fprintf(stdout, "hitting %s %s:%d\n", next.proto(), next.addr.WithZone(""), next.port)
		}
		terminal.show(fmt.Sprintf("knocking on %s: %d of %d", p.host, i+1, total))
	}
	if err := p.knock(ctx, say); err != nil || p.wait == 0 {
		return err
	}
	end, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	for {
		terminal.show(fmt.Sprintf("waiting for port %d on %s", p.wait, p.host))
		turn, stop := context.WithTimeout(end, round)
		err := watch(turn, p.targets, p.wait)
		stop()
		if err == nil {
			return nil
		}
		if end.Err() == nil {
			if again := p.knock(end, say); again != nil && end.Err() == nil {
				p.note(again.Error()) // it may be another in the next round
			}
		}
		if end.Err() != nil {
			return errNotOpen{fmt.Errorf("%s: port %d did not open within %s: %w", p.host, p.wait, p.timeout.Truncate(time.Second), err)}
		}
	}
}

// list prints the profiles, one a line.
func list(stdout io.Writer) error {
	path, all, err := loadProfiles()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: there is no profile in it; write [name], host = and sequence =", path)
	}
	_, err = io.WriteString(stdout, table(all))
	return err
}

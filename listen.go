package main

import (
	"errors"
	"runtime/debug"
	"slices"
	"strings"

	"sesame/afpacket"
	"sesame/config"
	"sesame/fault"
	"sesame/matcher"
)

// defaultWait is what the log says of a wait for either.
const defaultWait = config.DefaultInterface + " or a default route"

// openLinks begins to follow the network and to listen. What keeps the daemon
// from listening on an interface that is there keeps it from starting.
func (d *daemon) openLinks(cfg *config.Config) (err error) {
	l := &d.links
	l.names, l.batch = d.interfaces(cfg), afpacket.NewBatch()
	d.compile()
	if l.network, err = afpacket.Watch(); err != nil {
		return err
	}
	if err = d.syncLinks(); err != nil {
		return err
	}
	if d.requireInterface && len(l.waiting) > 0 {
		return l.missing(l.waiting)
	}
	if len(l.ears) == 0 {
		return afpacket.Allowed()
	}
	return nil
}

// required is the error for interfaces of a configuration that must be there
// and are not.
func (d *daemon) required(cfg *config.Config) error {
	l := &d.links
	if _, waiting := planLinks(d.interfaces(cfg), l.network.Links(), nil); d.requireInterface && len(waiting) > 0 {
		return l.missing(waiting)
	}
	return nil
}

// missing is the error for what is waited for.
func (l *links) missing(waiting []string) error {
	var here []string
	for _, link := range l.network.Links() {
		here = append(here, link.Name)
	}
	return fault.New("listen on "+strings.Join(waiting, ", "), errors.New(
		"no such device (the interfaces here are: "+strings.Join(here, ", ")+"; name one with -i or Interface)"))
}

// startLinks has the loop watch what is open, and tells of the start.
func (d *daemon) startLinks() {
	l := &d.links
	d.log.print("starting up, listening on " + d.listeningOn())
	for _, line := range l.held {
		d.log.print(line)
	}
	l.held, l.started = nil, true
	if l.network.Len() == 0 {
		d.log.warn("this machine has no address yet: no knock can be for it")
	}
	d.loop.watch(l.network.FD(), d.onNetwork)
	for _, e := range l.ears {
		d.loop.watch(e.FD(), func() { d.onPackets(e) })
	}
}

// say logs a line, but not before the one that knockd starts with.
func (d *daemon) say(line string) {
	if d.links.started {
		d.log.print(line)
	} else {
		d.links.held = append(d.links.held, line)
	}
}

// interfaces returns the names that are given, nil if there are none.
func (d *daemon) interfaces(cfg *config.Config) []string {
	if d.iface == "" && cfg.Interface == "" {
		return nil
	}
	list, _ := config.ParseInterfaces(d.interfaceName(cfg)) // which it has been through
	return list
}

// listeningOn says what the daemon listens on or waits for, as it was told to.
func (d *daemon) listeningOn() string {
	switch l := &d.links; {
	case l.names != nil:
		return strings.Join(l.names, ", ")
	case len(l.ears) > 0:
		return l.ears[0].link.Name
	}
	return config.DefaultInterface
}

// heard lists the interfaces that are listened on.
func (l *links) heard() (names string) {
	for i, e := range l.ears {
		if i > 0 {
			names += ", "
		}
		names += e.link.Name
	}
	return names
}

// many reports whether a packet may be heard on more than one interface.
func (l *links) many() bool {
	return len(l.ears) > 1 || len(l.ears) == 1 && l.ears[0].link == afpacket.Any
}

// compile makes the filter for what the doors want to hear now.
func (d *daemon) compile() {
	d.links.filter = afpacket.Compile(d.doors.interest(d.only4 || d.doors.config.OnlyIPv4))
}

// refilter tells the sockets what the doors want to hear now.
func (d *daemon) refilter() {
	l := &d.links
	d.compile()
	for at := len(l.ears) - 1; at >= 0; at-- {
		if err := l.ears[at].SetFilter(l.filter); err != nil {
			d.fail(l.ears[at], err)
		}
	}
}

// onNetwork takes in what has changed. The daemon goes on without, should
// following fail.
func (d *daemon) onNetwork() {
	l := &d.links
	changed, err := l.network.Update()
	switch {
	case err != nil:
		if l.lost.at == 0 {
			d.log.warn(err.Error())
			d.loop.forget(l.network.FD())
		}
		l.lost.again(d.loop.instant.Now)
		l.next = min(l.next, l.lost.at)
	case l.lost.at != 0:
		l.lost = retry{}
		d.loop.watch(l.network.FD(), d.onNetwork)
		changed = true
	}
	if changed {
		d.syncLinks()
	}
}

// retryLinks does what has become due.
func (d *daemon) retryLinks() {
	if at := d.links.lost.at; at != 0 && d.loop.instant.Now >= at {
		d.onNetwork()
	}
	d.syncLinks()
}

// syncLinks makes the daemon listen on what is wanted and there. It returns the
// first thing that keeps it from that, which it has logged and will try again.
func (d *daemon) syncLinks() (failed error) {
	l := &d.links
	if d.until != 0 {
		l.next = matcher.Never
		return nil
	}
	attached := make([]afpacket.Link, len(l.ears))
	for i, e := range l.ears {
		attached[i] = e.link
		if !e.Bound(e.link.Index) {
			attached[i].Index = -1
		}
	}
	names := l.names
	if names == nil {
		stays := attached
		if l.anew {
			stays = nil
		}
		names = defaultNames(l.network.Links(), stays, afpacket.DefaultRoute)
	}
	l.anew = false
	changes, waiting := planLinks(names, l.network.Links(), attached)
	if names == nil {
		waiting = []string{defaultWait}
	}
	before, heard := l.retries, len(l.ears)
	l.retries, l.next = nil, matcher.Never
	ears := slices.Clone(l.ears) // a knock that is heard at the last moment may end any
	for _, c := range changes {
		if c.kind != attach {
			d.apply(ears[c.at], c)
			heard = len(l.ears)
		} else if err := d.attach(c.link, before); failed == nil {
			failed = err
		}
	}
	if len(l.ears) > heard && l.started {
		debug.FreeOSMemory() // what making the filters took would stay for minutes
	}
	d.wait(waiting)
	for _, e := range l.ears {
		if e.quiet != 0 && d.loop.instant.Now >= e.quiet {
			d.log.warn(e.link.Name + " is down: no knock is heard until it is up")
			e.quiet, e.warned = 0, true
		} else if e.quiet != 0 {
			l.next = min(l.next, e.quiet)
		}
	}
	for i := range l.retries {
		l.next = min(l.next, l.retries[i].at)
	}
	if l.lost.at != 0 {
		l.next = min(l.next, l.lost.at)
	}
	return failed
}

// wait logs what is waited for, each once, and follows routes where one is
// waited for.
func (d *daemon) wait(waiting []string) {
	l := &d.links
	for _, name := range waiting {
		if !slices.Contains(l.waiting, name) {
			d.say("waiting for " + name)
		}
	}
	was, is := slices.Contains(l.waiting, defaultWait), slices.Contains(waiting, defaultWait)
	if l.waiting = waiting; was != is {
		l.network.FollowRoutes(is)
		if is {
			l.next = min(l.next, d.loop.instant.Now) // one may have come before that
		}
	}
	if len(waiting) > 0 && d.requireInterface && l.started {
		d.exit(1)
	}
}

package main

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"sesame/afpacket"
	"sesame/config"
)

// apply does what a change of something that is listened on asks for.
func (d *daemon) apply(e *ear, c change) {
	was, wasUp := e.link.Name, e.link.Up
	e.link = c.link
	switch c.kind {
	case gone:
		d.log.warn(was + " is gone")
		d.detach(e)
	case unwanted:
		d.say("no longer listening on " + was)
		d.detach(e)
	case altered:
		if c.link.Name != was {
			d.say(was + " is called " + c.link.Name + " now")
		}
		if c.link.Up == wasUp {
			break
		}
		if e.warned {
			d.say(c.link.Name + " is up again")
			e.warned = false
		}
		e.setUp(c.link.Up, d.loop.instant.Now)
	}
}

// attach listens on a link, unless that failed and is not to be tried yet.
func (d *daemon) attach(link afpacket.Link, before []retry) error {
	l := &d.links
	now := d.loop.instant.Now
	r := retry{link: link}
	for i := range before {
		if before[i].link.Index == link.Index {
			r = before[i]
		}
	}
	if r.link == link && now < r.at {
		l.retries = append(l.retries, r)
		return nil
	}
	socket, err := afpacket.Listen(link, l.filter)
	if err != nil {
		// One that has just gone is no failure: there is a notice of it.
		if isGone := errors.Is(err, unix.ENODEV); r.pause == 0 && !isGone && l.started {
			d.log.warn(err.Error() + "; it is tried again")
		} else if isGone {
			err = nil
		}
		r.link = link
		r.again(now)
		l.retries = append(l.retries, r)
		return err
	}
	e := &ear{Socket: socket, link: link}
	e.setUp(link.Up, now)
	l.ears = append(l.ears, e)
	if l.started {
		d.loop.watch(e.FD(), func() { d.onPackets(e) })
	}
	switch {
	case l.names == nil && link.Name != config.DefaultInterface:
		d.say("listening on " + link.Name + ": there is no " + config.DefaultInterface + ", and it has the default route")
	case l.started || !slices.Contains(l.names, link.Name) && l.names != nil:
		d.say("listening on " + link.Name)
	}
	return nil
}

// fail ends the listening on a link until it is tried again.
func (d *daemon) fail(e *ear, err error) {
	l := &d.links
	if d.close(e) {
		d.log.warn(err.Error() + "; it is tried again")
		r := retry{link: e.link}
		r.again(d.loop.instant.Now)
		l.retries = append(l.retries, r)
		l.next = min(l.next, r.at)
	}
}

// detach ends the listening on a link, but first hears what came before.
func (d *daemon) detach(e *ear) {
	d.readPackets(e)
	d.close(e)
}

// close reports whether there was something to close.
func (d *daemon) close(e *ear) bool {
	l := &d.links
	at := slices.Index(l.ears, e)
	if at < 0 {
		return false
	}
	d.loop.forget(e.FD())
	counts, _ := e.Counts()
	d.counts.past.kernel.Passed += counts.Passed
	d.counts.past.kernel.Dropped += counts.Dropped
	e.Close()
	l.ears = slices.Delete(l.ears, at, at+1)
	return true
}

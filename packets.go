package main

import (
	"strconv"
	"time"

	"sesame/afpacket"
	"sesame/matcher"
)

// batches is how many batches of packets are taken in a row, so that a flood
// does not keep the loop from timers and signals.
const batches = 16

// Under a flood packets are read once in floodPause instead of when they come: to
// wake up for each costs 20 times as much as the packet. More than floodPackets
// in floodTime are one. The rest of the loop waits for floodTurns of them.
const (
	floodPackets = 4
	floodTime    = 4 * time.Millisecond
	floodPause   = 2 * time.Millisecond
	floodTurns   = 4
)

// pace counts packets to find out whether they are a flood.
type pace struct {
	packets int
	end     matcher.Time // of the time in which they are counted
}

func (p *pace) flood(now matcher.Time, n int) bool {
	if now >= p.end {
		*p = pace{end: now.Add(floodTime)}
	}
	p.packets += n
	return p.packets > floodPackets
}

// onPackets reads what has come.
func (d *daemon) onPackets(e *ear) {
	for range floodTurns {
		n := d.readPackets(e)
		if n == 0 || !d.pace.flood(d.loop.instant.Now, n) || d.until != 0 {
			return
		}
		d.loop.nap(floodPause)
	}
}

// readPackets returns how many were read.
func (d *daemon) readPackets(e *ear) (all int) {
	now, b := d.loop.instant.Now, d.links.batch
	var p matcher.Packet
	for range batches {
		n, err := e.Read(b)
		if err != nil {
			d.fail(e, err)
			return all
		}
		all += n
		for i := range n {
			verdict := afpacket.Parse(b.Packet(i), &p)
			d.counts.past.verdicts[verdict]++
			if verdict == afpacket.Knock {
				if d.links.many() && d.links.echoes.heard(now, b.Link(i), b.Packet(i)) {
					continue
				}
				p.Local = d.links.network.Has(p.Dst)
				d.onPacket(now, &p)
			} else if d.debug {
				d.log.print("packet of " + strconv.Itoa(len(b.Packet(i))) + " bytes: " + verdict.String())
			}
		}
		if n > 0 && d.counts.next == matcher.Never {
			d.counts.next = now.Add(reportPause)
		}
		if n < afpacket.BatchSize {
			return all
		}
	}
	return all
}

func (d *daemon) onPacket(now matcher.Time, p *matcher.Packet) {
	if d.debug && d.doors.matcher.HasPort(p.Port) { // a decoy is nobody's business
		d.log.print(describe(p))
	}
	for _, ev := range d.doors.matcher.Packet(now, p) {
		if ev.Kind == matcher.Scan {
			d.onScan(now, p)
		} else {
			d.onEvent(ev)
		}
	}
}

// describe returns a packet in words, for the log.
func describe(p *matcher.Packet) string {
	const hex = "0123456789abcdef"
	flags := string([]byte{hex[p.Flags>>4], hex[p.Flags&0xf]})
	return p.Port.Proto.String() + ": " + p.Src.String() + " -> " + p.Dst.String() + ":" + strconv.Itoa(int(p.Port.Number)) +
		", flags 0x" + flags + ", for this machine " + strconv.FormatBool(p.Local)
}

// limited returns the kind of an event whose line is limited.
func limited(ev matcher.Event) (kind lineKind, ok bool) {
	switch {
	case ev.Kind == matcher.Stage && ev.Stage == 1:
		return firstStage, true
	case ev.Kind == matcher.Stage:
		return laterStage, true
	case ev.Kind == matcher.Timeout:
		return timedOut, true
	case ev.Kind == matcher.Cooled:
		return cooled, true
	}
	return 0, false
}

// onEvent logs in knockd's words and opens doors.
func (d *daemon) onEvent(ev matcher.Event) {
	if kind, ok := limited(ev); ok && !d.limits.allow(d.loop.instant.Now, kind, &ev.Src) {
		return
	}
	who := ev.Src.String() + ": " + d.doors.name(ev.Door)
	switch ev.Kind {
	case matcher.Stage:
		d.log.print(who + ": Stage " + strconv.Itoa(ev.Stage))
	case matcher.Timeout:
		d.log.print(who + ": sequence timeout (stage " + strconv.Itoa(ev.Stage) + ")")
	case matcher.Cooled:
		cooldown := int64(d.doors.config.Doors[ev.Door].Cooldown / time.Second)
		d.log.print(who + ": not opened: it opened less than " + strconv.FormatInt(cooldown, 10) + " s ago")
	case matcher.Open:
		if d.doors.config.Doors[ev.Door].OneTime != nil {
			err := d.doors.useSequence(ev.Door, d.log.warn)
			if err := d.doors.drawDecoys(d.guard); err != nil {
				d.log.warn(err.Error())
			}
			d.refilter()
			if err != nil {
				d.log.warn(who + ": not opened until a reload, so that no sequence opens twice: " + err.Error())
				return
			}
		}
		d.logOpening(ev)
		d.leases.Open(d.loop.instant, &d.doors.exec[ev.Door], ev.Src)
	}
}

// logOpening says that a door opens, with -l as soon as the source's name is
// known.
func (d *daemon) logOpening(ev matcher.Event) {
	src, line := ev.Src.String(), ": "+d.doors.name(ev.Door)+": OPEN SESAME"
	if !d.lookup {
		d.log.print(src + line)
		return
	}
	d.leases.Lookup(d.loop.instant, ev.Src, func(host string) {
		if host != "" {
			src += " (" + host + ")"
		}
		d.log.print(src + line)
	})
}

package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"sesame/control"
	"sesame/exec"
	"sesame/matcher"
)

// onRequest answers what a user asks over the control socket.
func (d *daemon) onRequest(request string) control.Reply {
	words, err := control.Split(request)
	switch {
	case err != nil:
		return control.Failed("the request cannot be read: " + err.Error())
	case len(words) == 1 && words[0] == "status":
		return d.tell()
	case len(words) == 3 && words[0] == "open":
		return d.openByHand(words[1], words[2])
	case len(words) > 0 && len(words) <= 3 && words[0] == "close":
		return d.closeByHand(words[1:])
	}
	return control.Failed("this daemon (version " + version + ") does not know the request " + strconv.Quote(request))
}

// tell tells of the daemon, and then of its doors one after the other. One
// that is shut or opened meanwhile may be told of or not.
func (d *daemon) tell() control.Reply {
	const atOnce = 64
	next := 0
	begun := false
	return func(b []byte) ([]byte, bool) {
		if !begun {
			begun = true
			s := d.head()
			return s.AppendHead(b), true
		}
		for range atOnce {
			var v exec.View
			if v, next = d.leases.View(next); next < 0 {
				return b, false
			}
			door := control.Door{
				Name: v.Door, Address: v.Src.String(), State: v.State,
				Opened: v.Opened, Left: control.Unknown, Failures: v.Tries,
			}
			if v.Until != matcher.Never {
				door.Left = time.Duration(v.Until - d.loop.instant.Now)
			}
			b = door.Append(b)
		}
		return b, true
	}
}

// head is a status without the doors.
func (d *daemon) head() *control.Status {
	s := &control.Status{
		Version: version, Interface: d.listeningOn(), Listening: d.links.heard(), Waiting: strings.Join(d.links.waiting, ", "), Config: d.config, StateFile: d.leases.StateFile,
		PID: os.Getpid(), Now: d.loop.instant.Wall, Attempts: d.doors.matcher.InFlight(),
	}
	// The wall clock may have been set since the start; the other was not.
	s.Started = s.Now - int64(d.loop.instant.Now-d.started)
	t, l := d.totals(), d.leases.Stats()
	s.Counters = [...]uint64{
		control.Packets: t.kernel.Passed, control.KernelDrops: t.kernel.Dropped, control.Malformed: t.malformed(),
		control.Evicted: t.evicted, control.Decoys: t.decoys, control.Ignored: t.ignored,
		control.Openings: l.Opened, control.Renewals: l.Renewed, control.RefusedOpenings: l.Refused,
		control.StartFailures: l.StartFailed, control.StopFailures: l.StopFailed, control.StateFailures: l.StateFailed,
		control.LogLost: d.log.lostAll,
	}
	return s
}

// openByHand opens the doors of a name as their knock would.
func (d *daemon) openByHand(name, address string) control.Reply {
	src, ok := source(address)
	switch {
	case !ok:
		return control.Failed(notSource(address))
	case d.until != 0:
		return control.Failed("the daemon is about to end")
	}
	best, known := exec.Refused, false
	for i := range d.doors.exec {
		if d.doors.name(i) != name {
			continue
		}
		known = true
		d.log.print(src.String() + ": " + name + ": OPEN SESAME, by hand")
		best = min(best, d.leases.Open(d.loop.instant, &d.doors.exec[i], src))
	}
	if !known {
		return control.Failed("there is no door " + strconv.Quote(name) + "; " + d.doorNames())
	}
	return control.Said("outcome", outcomes[best])
}

// source reads an address that a knock could come from.
func source(text string) (src matcher.Addr, ok bool) {
	src, ok = matcher.ParseAddr(text)
	return src, ok && !src.IsUnspecified()
}

func notSource(text string) string {
	return strconv.Quote(text) + " is not the IPv4 or IPv6 address of a machine, in digits"
}

var outcomes = [...]string{
	exec.Opened: "opened", exec.Renewed: "renewed", exec.Queued: "queued", exec.Nothing: "nothing", exec.Refused: "refused",
}

// doorNames says which doors there are, if they are not many.
func (d *daemon) doorNames() string {
	const most = 16
	text := "there are "
	for i := range min(len(d.doors.exec), most) {
		if i > 0 {
			text += ", "
		}
		text += strconv.Quote(d.doors.name(i))
	}
	if n := len(d.doors.exec); n > most {
		text += " and " + strconv.Itoa(n-most) + " more"
	}
	return text
}

// closeByHand shuts all doors, those of a name, or the one for an address.
func (d *daemon) closeByHand(words []string) control.Reply {
	door, src := "", matcher.Addr{}
	if len(words) > 0 {
		if door = words[0]; door == "" { // from a script's empty variable, say
			return control.Failed("a door's name is not empty; without one all doors are closed")
		}
	}
	if len(words) > 1 {
		var ok bool
		if src, ok = source(words[1]); !ok {
			return control.Failed(notSource(words[1]))
		}
	}
	return control.Said("closing", strconv.Itoa(d.leases.Shut(d.loop.instant, door, src)))
}

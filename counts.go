package main

import (
	"strconv"
	"strings"

	"sesame/afpacket"
	"sesame/matcher"
)

// totals are what was counted since the start.
type totals struct {
	verdicts [afpacket.Verdicts]uint64 // of Parse
	kernel   afpacket.Counts
	evicted  uint64
	decoys   uint64
	ignored  uint64
}

// malformed returns how many packets were not looked at.
func (t *totals) malformed() (n uint64) {
	for v := afpacket.Knock + 1; v < afpacket.Verdicts; v++ {
		n += t.verdicts[v]
	}
	return n
}

// add adds what a matcher has counted.
func (t *totals) add(s matcher.Stats) {
	t.evicted += s.Evicted
	t.decoys += s.Decoys
	t.ignored += s.Ignored
}

// counts keeps totals over sockets and matchers that come and go.
type counts struct {
	past     totals       // verdicts, and what those that are no more have counted
	reported totals       // what the last report told of
	next     matcher.Time // of the next report; Never: no packet came since the last
}

// totals adds what the present sockets and matcher have counted to the past.
func (d *daemon) totals() totals {
	t := d.counts.past
	for _, e := range d.links.ears {
		kernel, err := e.Counts()
		if err != nil {
			d.log.warn(err.Error())
		}
		t.kernel.Passed += kernel.Passed
		t.kernel.Dropped += kernel.Dropped
	}
	stats := d.doors.matcher.Stats()
	t.add(stats)
	return t
}

// report logs what was lost since the last report, if anything was.
func (d *daemon) report() {
	d.counts.next = matcher.Never
	t, before := d.totals(), &d.counts.reported
	type loss struct {
		n    uint64
		what string
	}
	losses := []loss{
		{t.kernel.Dropped - before.kernel.Dropped, "packets dropped by the kernel, because they came faster than they could be read"},
		{t.evicted - before.evicted, "attempts gave way to newer ones"},
	}
	for v := afpacket.Knock + 1; v < afpacket.Verdicts; v++ {
		losses = append(losses, loss{t.verdicts[v] - before.verdicts[v], "packets not looked at (" + v.String() + ")"})
	}
	var lost []string
	for _, l := range losses {
		if l.n > 0 {
			lost = append(lost, strconv.FormatUint(l.n, 10)+" "+l.what)
		}
	}
	d.counts.reported = t
	if len(lost) > 0 {
		d.log.print("lost: " + strings.Join(lost, "; "))
	}
}

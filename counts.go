package main

import (
	"strconv"
	"strings"

	"sesame/afpacket"
	"sesame/matcher"
)

// counts remembers what was reported already.
type counts struct {
	verdicts [afpacket.Verdicts]uint64 // of Parse, since the last report
	kernel   afpacket.Counts           // as of the last report
	matcher  matcher.Stats             // as of the last report
	next     matcher.Time              // of the next report; Never: no packet came since the last
}

// report logs what was lost since the last report, if anything was.
func (d *daemon) report() {
	d.counts.next = matcher.Never
	kernel, err := d.socket.Counts()
	if err != nil {
		d.log.warn(err.Error())
	}
	stats := d.doors.matcher.Stats()
	type loss struct {
		n    uint64
		what string
	}
	losses := []loss{
		{kernel.Dropped - d.counts.kernel.Dropped, "packets dropped by the kernel, because they came faster than they could be read"},
		{stats.Evicted - d.counts.matcher.Evicted, "attempts at their first stage gave way to newer ones"},
		{stats.Refused - d.counts.matcher.Refused, "attempts not begun, because the table was full of later stages"},
	}
	for v := afpacket.Knock + 1; v < afpacket.Verdicts; v++ {
		losses = append(losses, loss{d.counts.verdicts[v], "packets not looked at (" + v.String() + ")"})
	}
	var lost []string
	for _, l := range losses {
		if l.n > 0 {
			lost = append(lost, strconv.FormatUint(l.n, 10)+" "+l.what)
		}
	}
	d.counts.kernel, d.counts.matcher = kernel, stats
	clear(d.counts.verdicts[:])
	if len(lost) > 0 {
		d.log.print("lost: " + strings.Join(lost, "; "))
	}
}

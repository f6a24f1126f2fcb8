package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"sesame/e2e/netns"
)

const latencyText = `The time from just before the last SYN is handed to the kernel until ` + "`/bin/sh`" + `, started by
the daemon, has written a line to a pipe that the benchmark reads. %d knocks for each, in turn, 10 ms between
the SYNs of one, with a pause of random length before each, so that a daemon's own timers are met at any point.
"floor" is the least that there can be: a C loop that waits for one port's SYN and starts the shell
(bench/floor.c). nftables runs no command: an address is in its set before the packet is dropped.`

// latency measures how long it takes from the last knock to the command.
func latency(b *bench) (section, error) {
	var list []*subject
	for _, c := range b.withFloor() {
		if c.path == "" || c.absent != "" {
			continue
		}
		d, err := b.newBed()
		if err != nil {
			return section{}, err
		}
		defer d.end()
		s, err := d.begin(c, longLease, "")
		if err != nil {
			return section{}, err
		}
		list = append(list, s)
	}
	took := map[string][]time.Duration{}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range b.plan.warmUp + b.plan.knocks {
		for _, s := range list {
			time.Sleep(time.Duration(rng.Int64N(int64(50 * time.Millisecond))))
			// No address knocks twice, so that no open door is in the way.
			d, err := s.once(round)
			if err != nil {
				return section{}, err
			}
			if round >= b.plan.warmUp {
				took[s.name] = append(took[s.name], d)
			}
		}
	}
	return latencyReport(b, took), nil
}

// once knocks from an address of its own.
func (s *subject) once(round int) (time.Duration, error) {
	src := nth(honest4, round+1)
	s.bed.pipe.forget(anyone)
	last, err := s.bed.out.fire(schedule(tcp, []netip.Addr{src}, 0, 0, 10*time.Millisecond))
	if err != nil {
		return 0, err
	}
	at, ok := s.bed.pipe.await(s.key(src), netns.Deadline)
	if !ok {
		return 0, fmt.Errorf("%s did not open within %v; its log:\n%s", s.name, netns.Deadline, s.tail())
	}
	return at - last[src], nil
}

func latencyReport(b *bench, took map[string][]time.Duration) section {
	s := section{title: "Last SYN to command running", text: fmt.Sprintf(latencyText, b.plan.knocks)}
	t := table{head: []string{"", "p50 ms", "p90 ms", "p99 ms", "most ms"}}
	p := plot{file: "latency.svg", title: "Last SYN to command running", x: axis{label: "milliseconds", log: true}, y: axis{label: "% of the knocks", max: 100}}
	line := row{measure: "last SYN to command running, p50 / p99 ms", cells: map[string]string{}}
	for _, c := range b.withFloor() {
		list := took[c.name]
		if len(list) == 0 {
			line.cells[c.name] = c.why(noCommand)
			t.rows = append(t.rows, []string{c.name, c.why(noCommand), "", "", ""})
			continue
		}
		t.rows = append(t.rows, []string{c.name, millis(percentile(list, 50)), millis(percentile(list, 90)), millis(percentile(list, 99)), millis(percentile(list, 100))})
		line.cells[c.name] = millis(percentile(list, 50)) + " / " + millis(percentile(list, 99))
		p.lines = append(p.lines, series{c.name, distribution(list)})
	}
	if floor := line.cells[b.floor.name]; !strings.HasPrefix(floor, "n/a") {
		line.measure += " (a C loop that only waits and starts the shell: " + floor + ")"
	}
	s.tables, s.plots, s.main = []table{t}, []plot{p}, []row{line}
	return s
}

package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"sesame/e2e/netns"
)

const noiseText = "SYNs from random sources to ports that no door has and that the Internet's noise goes to (22, 23, 80, 443, 445), as fast " +
	"as they can be sent, in %d pairs of bursts of %d: one without the contestant, one with it, in turn which is first. " +
	"The cost is the time in the sender's system calls, in which the kernel also delivers the packets: in each burst the median of " +
	"calls that send 64, so that others at work on the machine matter less. The figures are the median burst " +
	"without, and the median of the pairs' differences. CPU is the daemon's in all bursts with it."

var noisePorts = []uint16{22, 23, 80, 443, 445}

const (
	burst = 10 * time.Second       // how long a burst may take at most
	rest  = 250 * time.Millisecond // before each, so that the start's own work ends
)

// noise measures what a SYN that is not for any door costs.
func noise(b *bench) (section, error) {
	s := section{title: "Noise to other ports", text: fmt.Sprintf(noiseText, b.plan.pairs, b.plan.packets)}
	t := table{head: []string{"", "without, ns a SYN", "with it more, ns", "daemon's CPU, ns a SYN"}}
	cost := row{measure: "noise to other ports: the sender's cost over nothing, ns a SYN", cells: map[string]string{}}
	work := row{measure: "noise: the daemon's CPU, ns a SYN", cells: map[string]string{}}
	for _, c := range b.contestants {
		if c.absent != "" {
			t.rows = append(t.rows, []string{c.name, c.absent, "", ""})
			cost.cells[c.name], work.cells[c.name] = c.absent, c.absent
			continue
		}
		without, more, cpu, err := b.noiseOf(c)
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.name, err)
		}
		cost.cells[c.name] = fmt.Sprintf("%+.0f", more)
		work.cells[c.name] = cpu
		t.rows = append(t.rows, []string{c.name, fmt.Sprintf("%.0f", without), cost.cells[c.name], cpu})
	}
	s.tables, s.main = []table{t}, []row{cost, work}
	return s, nil
}

func (b *bench) noiseOf(c *contestant) (without, more float64, cpu string, err error) {
	d, err := b.newBed()
	if err != nil {
		return 0, 0, "", err
	}
	defer d.end()
	f := frame(d.out.from, d.out.to, tcp.packet(honest4, noisePorts[0]))
	l, rng := layoutOf(f), rand.New(rand.NewPCG(5, 6))
	next := func(i int, f []byte) {
		l.setSource4(f, anySource(rng))
		l.setPort(f, noisePorts[i%len(noisePorts)])
	}
	var spent time.Duration
	var bare, differences []float64
	err = d.inPairs(c, func(s *subject) (float64, error) {
		var before usage
		if s != nil {
			before, _ = s.usage() // of rules there is none
		}
		r, err := d.out.send(load{frame: f, next: next, count: b.plan.packets, limit: burst})
		if s != nil && s.process != nil && err == nil {
			var after usage
			after, err = s.usage()
			spent += after.cpu - before.cpu
		}
		return median(r.calls), err
	}, func(none, with float64) {
		bare, differences = append(bare, none), append(differences, with-none)
	})
	if cpu = noProcess; c.path != "" {
		cpu = fmt.Sprintf("%.1f", float64(spent.Nanoseconds())/float64(b.plan.pairs*b.plan.packets))
	}
	return median(bare), median(differences), cpu, err
}

// inPairs measures in turn without and with a contestant, which is started for
// that and ended; measure gets nil without.
func (d *bed) inPairs(c *contestant, measure func(*subject) (float64, error), pair func(none, with float64)) error {
	without := func() (float64, error) {
		time.Sleep(rest)
		return measure(nil)
	}
	with := func() (x float64, err error) {
		s, err := d.begin(c, longLease, "")
		if err != nil {
			return 0, err
		}
		time.Sleep(rest)
		if x, err = measure(s); err != nil {
			return 0, err
		}
		return x, s.end()
	}
	if _, err := without(); err != nil { // caches and neighbours
		return err
	}
	for i := range d.bench.plan.pairs {
		var none, some float64
		var err error
		if i%2 == 0 {
			if none, err = without(); err == nil {
				some, err = with()
			}
		} else {
			if some, err = with(); err == nil {
				none, err = without()
			}
		}
		if err != nil {
			return err
		}
		pair(none, some)
	}
	return nil
}

// forwardText is about forward, which measures pairs as well.
const forwardText = "Empty UDP packets that the gateway forwards, in %d pairs of bursts of %d with and without the contestant, in turn " +
	"which is first; \"in\" come in at the watched interface, \"out\" go out of it. The rate is one over the time " +
	"in the sender's system calls, in which the kernel forwards them (the median of calls that send 64), times the share that arrived " +
	"behind the gateway. The figures are the median burst without, and the " +
	"median of the pairs' ratios."

// forward measures how much of the gateway's forwarding rate is kept.
func forward(b *bench) (section, error) {
	s := section{title: "Forwarding", text: fmt.Sprintf(forwardText, b.plan.pairs, b.plan.packets)}
	t := table{head: []string{"", "direction", "without, packets/s", "with it, % of that"}}
	kept := row{measure: "forwarding rate kept, packets in / out of the watched interface, %", cells: map[string]string{}}
	for _, c := range b.contestants {
		if c.absent != "" {
			t.rows = append(t.rows, []string{c.name, c.absent, "", ""})
			kept.cells[c.name] = c.absent
			continue
		}
		for _, direction := range []string{"in", "out"} {
			without, share, err := b.forwardOf(c, direction)
			if err != nil {
				return s, fmt.Errorf("%s: %w", c.name, err)
			}
			cell := fmt.Sprintf("%.1f", 100*share)
			t.rows = append(t.rows, []string{c.name, direction, fmt.Sprintf("%.0f", without), cell})
			if direction == "out" {
				cell = kept.cells[c.name] + " / " + cell
			}
			kept.cells[c.name] = cell
		}
	}
	s.tables, s.main = []table{t}, []row{kept}
	return s, nil
}

func (b *bench) forwardOf(c *contestant, direction string) (without, share float64, err error) {
	d, err := b.newBed()
	if err != nil {
		return 0, 0, err
	}
	defer d.end()
	if err := d.extend(); err != nil {
		return 0, 0, err
	}
	from, space, link := d.out, d.behind, hostBehind
	packet := netns.UDP(nth(honest4, 1).String(), toBehind, 9) // discard (RFC 863)
	if direction == "out" {
		from, space, link = d.back, d.client, netns.ClientIf
		packet = netns.UDP(toBehind, toClient, 9)
	}
	f := frame(from.from, from.to, packet)
	var bare, shares []float64
	err = d.inPairs(c, func(*subject) (float64, error) {
		before, err := received(space, link)
		if err != nil {
			return 0, err
		}
		r, err := from.send(load{frame: f, count: b.plan.packets, limit: burst})
		if err != nil {
			return 0, err
		}
		after, err := received(space, link)
		if err == nil && after == before {
			err = fmt.Errorf("of %d packets sent none was forwarded", r.frames)
		}
		return float64(after-before) / float64(r.frames+r.lost) * 1e9 / median(r.calls), err
	}, func(none, with float64) {
		bare, shares = append(bare, none), append(shares, with/none)
	})
	return median(bare), median(shares), err
}

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

const scanText = "SYNs from one address to all ports, 1 to 65535, in one burst of about %d a second. \"forced\" are the scans that " +
	"opened the door 7000, 8000, 9000. Each scan has an address of its own; the random orders are the same for all. A scan in whose " +
	"order these three stand as in the door's sequence, as in one of six random orders, forces it where nothing is done against that."

const (
	scanRate = 100_000 // a second; a scan of all ports takes less than one
	// With this seed three of the eighteen random orders are the door's, which is
	// what chance gives on average. With none the scans would show nothing.
	scanSeed = 8
)

// scanning is an order in which ports are scanned.
type scanning struct {
	name  string
	times int
	order func(n int) []uint16 // of the n-th scan
}

// fitting is how many of the scans reach the door's ports in its order.
func (k scanning) fitting() (n int) {
	for i := range k.times {
		ports := k.order(i)
		a, b, c := slices.Index(ports, tcp.ports[0]), slices.Index(ports, tcp.ports[1]), slices.Index(ports, tcp.ports[2])
		if a < b && b < c {
			n++
		}
	}
	return n
}

func scannings(p plan) []scanning {
	return []scanning{
		{"rising", p.scans, func(int) []uint16 { return rising() }},
		{"falling", p.scans, func(int) []uint16 {
			ports := rising()
			slices.Reverse(ports)
			return ports
		}},
		{"random", p.randomScans, func(n int) []uint16 {
			ports := rising()
			rand.New(rand.NewPCG(scanSeed, uint64(n))).Shuffle(len(ports), func(i, k int) { ports[i], ports[k] = ports[k], ports[i] })
			return ports
		}},
	}
}

func rising() []uint16 {
	ports := make([]uint16, 65535)
	for i := range ports {
		ports[i] = uint16(i + 1)
	}
	return ports
}

// scan measures how many port scans open a door.
func scan(b *bench) (section, error) {
	s := section{title: "Port scans", text: fmt.Sprintf(scanText, scanRate)}
	t := table{head: []string{"", "order", "scans", "of these in the door's order", "forced"}}
	forced := row{measure: "doors forced by port scans: rising / falling / random order", cells: map[string]string{}}
	for _, c := range b.contestants {
		if c.absent != "" {
			t.rows = append(t.rows, []string{c.name, c.absent, "", "", ""})
			forced.cells[c.name] = c.absent
			continue
		}
		counts, err := b.scansOf(c)
		if err != nil {
			return s, fmt.Errorf("%s: %w", c.name, err)
		}
		cell := ""
		for i, k := range scannings(b.plan) {
			t.rows = append(t.rows, []string{c.name, k.name, fmt.Sprint(k.times), fmt.Sprint(k.fitting()), fmt.Sprint(counts[i])})
			if cell != "" {
				cell += " / "
			}
			cell += fmt.Sprintf("%d of %d", counts[i], k.times)
		}
		forced.cells[c.name] = cell
	}
	s.tables, s.main = []table{t}, []row{forced}
	return s, nil
}

// scansOf runs all scans against one contestant and counts those that opened,
// for each kind.
func (b *bench) scansOf(c *contestant) (counts []int, err error) {
	d, err := b.newBed()
	if err != nil {
		return nil, err
	}
	defer d.end()
	s, err := d.begin(c, longLease, "")
	if err != nil {
		return nil, err
	}
	var scanners [][]netip.Addr
	next := 1
	for _, k := range scannings(b.plan) {
		var who []netip.Addr
		for n := range k.times {
			src := nth(honest4, next)
			next++
			if err := d.scan(src, k.order(n)); err != nil {
				return nil, err
			}
			who = append(who, src)
		}
		scanners = append(scanners, who)
	}
	// Who knocks now is heard after all scans.
	if s.process != nil {
		if err := s.awake(); err != nil {
			return nil, err
		}
		time.Sleep(500 * time.Millisecond) // for the commands of the scans
	}
	all, err := s.opened()
	if err != nil {
		return nil, err
	}
	for _, who := range scanners {
		n := 0
		for _, src := range who {
			if _, ok := all[src.String()]; ok {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// scan sends a SYN to each of the ports.
func (d *bed) scan(src netip.Addr, ports []uint16) error {
	f := frame(d.out.from, d.out.to, tcp.packet(src, ports[0]))
	l := layoutOf(f)
	r, err := d.out.send(load{
		frame: f, next: func(i int, f []byte) { l.setPort(f, ports[i]) },
		rate: scanRate, count: len(ports), limit: burst, whole: true,
	})
	if err == nil && r.frames < len(ports) {
		err = fmt.Errorf("of %d ports %d were scanned", len(ports), r.frames)
	}
	return err
}

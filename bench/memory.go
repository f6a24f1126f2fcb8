package main

import (
	"fmt"
	"net/netip"
	"time"

	"sesame/e2e/netns"
)

const memoryText = "The proportional memory (PSS) of the daemon and of all processes below it while doors are open, each for an address " +
	"of its own; the commands that open a door have ended. One door more is open from the start. nftables keeps its sets in the kernel, where what one of " +
	"them takes cannot be told from the rest."

// memory measures what an open door costs.
func memory(b *bench) (section, error) {
	s := section{title: "Memory for open doors", text: memoryText}
	t := table{head: []string{"", "open doors", "processes", "PSS KiB", "PSS added KiB", "a door KiB"}}
	p := plot{file: "memory.svg", title: "Memory for open doors", x: axis{label: "open doors"}, y: axis{label: "PSS, MB"}}
	line := row{measure: fmt.Sprintf("%d open doors: processes / PSS added, KiB", b.plan.doors), cells: map[string]string{}}
	for _, c := range b.contestants {
		if c.path == "" || c.absent != "" {
			line.cells[c.name] = c.why(noProcess + ", kernel sets")
			t.rows = append(t.rows, []string{c.name, c.why(noProcess + ", kernel sets"), "", "", "", ""})
			continue
		}
		list, err := b.openMany(c)
		if err != nil {
			return s, err
		}
		points := series{name: c.name}
		first, last := list[0], list[len(list)-1]
		for _, r := range list {
			points.points = append(points.points, [2]float64{float64(r.doors), float64(r.pss) / 1024})
			if r.doors%(4*b.plan.doorStep) == 0 {
				added := r.pss - first.pss
				each := "–"
				if r.doors > 0 {
					each = fmt.Sprintf("%.2f", float64(added)/float64(r.doors))
				}
				t.rows = append(t.rows, []string{c.name, fmt.Sprint(r.doors), fmt.Sprint(r.processes), fmt.Sprint(r.pss), fmt.Sprint(added), each})
			}
		}
		line.cells[c.name] = fmt.Sprintf("%d / %d", last.processes, last.pss-first.pss)
		p.lines = append(p.lines, points)
	}
	s.tables, s.plots, s.main = []table{t}, []plot{p}, []row{line}
	return s, nil
}

// reading is the memory of a daemon with so many doors open.
type reading struct{ doors, processes, pss int }

func (b *bench) openMany(c *contestant) (list []reading, err error) {
	d, err := b.newBed()
	if err != nil {
		return nil, err
	}
	defer d.end()
	s, err := d.begin(c, longLease, "")
	if err != nil {
		return nil, err
	}
	// The one door that is open from the start belongs to none of the readings.
	everyone := append(sources(honest4, 250), sources(second4, 250)...)
	for doors := 0; ; {
		r, err := s.settled()
		if err != nil {
			return nil, err
		}
		r.doors = doors
		list = append(list, r)
		if doors >= b.plan.doors {
			return list, nil
		}
		more := min(doors+b.plan.doorStep, b.plan.doors)
		if err := s.openAll(everyone[doors:more]); err != nil {
			return nil, err
		}
		doors = more
	}
}

// openAll has some addresses knock, one after the other has opened: in knockd an
// opening ends the attempts of others.
func (s *subject) openAll(who []netip.Addr) error {
	for _, src := range who {
		last, err := s.bed.out.fire(schedule(tcp, []netip.Addr{src}, 0, 0, 2*time.Millisecond))
		if err != nil {
			return err
		}
		took, err := s.reached(last, netns.Deadline)
		if err != nil {
			return err
		}
		if len(took) == 0 {
			return fmt.Errorf("%s does not open a door for %v; its log:\n%s", s.name, src, s.tail())
		}
	}
	return nil
}

// settled waits until the commands have ended, that is until there are as many
// processes as before for a while, and adds up what they hold.
func (s *subject) settled() (r reading, err error) {
	still := 0
	for end := time.Now().Add(netns.Deadline); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all, err := s.bed.gateway.Processes()
		if err != nil {
			return r, err
		}
		if still++; len(all) != r.processes {
			still = 0
		}
		r = reading{processes: len(all)}
		if still < 4 {
			continue
		}
		for pid := range all {
			_, pss, err := memoryOf(pid)
			if err != nil {
				still = 0 // it has just ended
				break
			}
			r.pss += pss
		}
		if still > 0 {
			return r, nil
		}
	}
	return r, fmt.Errorf("%s: its processes do not come to rest", s.name)
}

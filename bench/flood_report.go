package main

import (
	"fmt"
	"strings"
	"time"
)

func floodTable(b *bench, k flooding, all map[string][]outcome) table {
	t := table{title: k.title, head: []string{"asked /s", "between knocks", "", "sent /s", "opened", "p50 ms", "p99 ms",
		"CPU µs a packet", "in the kernel, µs", "RSS grown KiB", "log grown kB"}}
	for i := range b.most(all) {
		for _, c := range b.contestants {
			if list := all[c.name]; i < len(list) {
				t.rows = append(t.rows, list[i].cells(c))
			}
		}
	}
	for _, c := range b.contestants {
		if c.absent != "" {
			t.rows = append(t.rows, []string{"", "", c.name, c.absent, "", "", "", "", "", "", ""})
		}
	}
	return t
}

// most is the length of the longest list.
func (b *bench) most(all map[string][]outcome) (n int) {
	for _, list := range all {
		n = max(n, len(list))
	}
	return n
}

func (o outcome) cells(c *contestant) []string {
	cells := []string{fmt.Sprint(o.rate), o.gap.String(), c.name, o.rateSent(), fmt.Sprintf("%d of %d", o.opened, o.honest)}
	if o.withoutCommands {
		cells = append(cells, noCommand, "")
	} else {
		cells = append(cells, o.latency(50), o.latency(99))
	}
	kernel := "–"
	if o.sent.frames > 0 {
		kernel = fmt.Sprintf("%.2f", float64(o.sent.busy.Nanoseconds())/1e3/float64(o.sent.frames))
	}
	return append(cells, o.cpuEach(), kernel, o.grown(), o.logGrown())
}

// rateSent is what arrived, and what did not if that is more than 1 %.
func (o outcome) rateSent() string {
	if o.rate == 0 {
		return "0"
	}
	text := fmt.Sprintf("%.0f", float64(o.arrived)/o.sent.elapsed.Seconds())
	if missing := o.sent.frames + o.sent.lost - o.arrived; missing*100 > o.arrived {
		text += fmt.Sprintf(" (%d more were lost on the way)", missing)
	}
	return text
}

func (o outcome) latency(p int) string {
	if len(o.took) == 0 {
		return "none opened"
	}
	return millis(percentile(o.took, p))
}

func (o outcome) cpuEach() string {
	switch {
	case o.ended != "":
		return o.ended
	case o.arrived <= 0 || o.rate == 0:
		return fmt.Sprintf("– (%d ms in all)", o.cpu.Milliseconds())
	}
	return fmt.Sprintf("%.2f", float64(o.cpu.Nanoseconds())/1e3/float64(o.arrived))
}

func (o outcome) grown() string {
	if o.ended != "" {
		return o.ended
	}
	return fmt.Sprint(o.rss)
}

func (o outcome) logGrown() string {
	if o.withoutCommands {
		return "0 (logs nothing)"
	}
	return fmt.Sprintf("%.1f", float64(o.log)/1e3)
}

func floodPlot(b *bench, all map[string][]outcome) plot {
	p := plot{file: "flood.svg", title: "Honest knocks opened during a first-port flood",
		x: axis{label: "forged SYNs a second, as sent", log: true}, y: axis{label: "% opened", max: 100}}
	for _, c := range b.contestants {
		line := series{name: c.name}
		for _, o := range all[c.name] {
			if o.rate > 0 && o.gap == b.plan.gap {
				line.points = append(line.points, [2]float64{float64(o.arrived) / o.sent.elapsed.Seconds(), 100 * float64(o.opened) / float64(o.honest)})
			}
		}
		if len(line.points) > 0 {
			p.lines = append(p.lines, line)
		}
	}
	return p
}

// typical is the rate whose cost is shown in the main table.
const typical = 50_000

func floodRows(b *bench, all map[string]map[string][]outcome) (rows []row) {
	for _, k := range floodings {
		rows = append(rows, b.openedRow(k, all[k.name], b.plan.gap))
		if k.name == "first" {
			rows = append(rows, b.openedRow(k, all[k.name], b.plan.slowGap))
		}
	}
	for _, of := range []struct {
		what string
		cell func(o outcome) string
	}{
		{"CPU, µs a SYN", outcome.cpuEach},
		{"RSS grown, KiB", outcome.grown},
		{"log grown, kB", outcome.logGrown},
		{"openings' p99, ms", func(o outcome) string {
			if o.withoutCommands {
				return noCommand
			}
			return o.latency(99)
		}},
	} {
		r := row{measure: fmt.Sprintf("at %s SYN/s: %s", rateName(typical), of.what), cells: map[string]string{}}
		for _, c := range b.contestants {
			for _, o := range all["first"][c.name] {
				if o.rate == typical {
					r.cells[c.name] = of.cell(o)
				}
			}
			if c.absent != "" {
				r.cells[c.name] = c.absent
			}
		}
		if len(r.cells) == len(b.contestants) {
			rows = append(rows, r)
		}
	}
	return rows
}

// openedRow has the openings at each rate.
func (b *bench) openedRow(k flooding, all map[string][]outcome, gap time.Duration) row {
	r := row{cells: map[string]string{}}
	var rates []string
	for _, c := range b.contestants {
		var cells []string
		rates = rates[:0]
		for _, o := range all[c.name] {
			if o.gap == gap && o.rate > 0 {
				cells = append(cells, fmt.Sprint(o.opened))
				rates = append(rates, rateName(o.rate))
			}
		}
		if r.cells[c.name] = strings.Join(cells, " / "); c.absent != "" {
			r.cells[c.name] = c.absent
		} else {
			r.measure = fmt.Sprintf("%s, %s a second: opened of %d, %v between packets",
				k.short, strings.Join(rates, " / "), b.plan.honest, gap)
		}
	}
	return r
}

// rateName shortens thousands.
func rateName(rate int) string {
	if rate >= 1000 && rate%1000 == 0 {
		return fmt.Sprint(rate/1000, "k")
	}
	return fmt.Sprint(rate)
}

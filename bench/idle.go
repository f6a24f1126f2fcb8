package main

import (
	"fmt"
	"time"
)

const idleText = "Memory (`Rss` and `Pss` of /proc/PID/smaps_rollup) after one opening, whose lease has ended a second before, and %v in which nothing happens, and the " +
	"context switches of all threads in that time. nftables has no process."

// idle measures what a daemon holds and does while nothing happens.
func idle(b *bench) (section, error) {
	s := section{title: "Idle", text: fmt.Sprintf(idleText, b.plan.idle)}
	t := table{head: []string{"", "RSS KiB", "PSS KiB", "context switches"}}
	held := row{measure: "memory when idle, RSS / PSS MB", cells: map[string]string{}}
	woken := row{measure: fmt.Sprintf("context switches in %v of idleness", b.plan.idle), cells: map[string]string{}}
	var list []*subject
	var before []usage
	for _, c := range b.withFloor() {
		if c.path == "" || c.absent != "" {
			why := c.why(noProcess)
			held.cells[c.name], woken.cells[c.name] = why, why
			continue
		}
		subject, err := b.idler(c)
		if err != nil {
			return s, err
		}
		defer subject.bed.end()
		list = append(list, subject)
	}
	time.Sleep(time.Second)
	for _, subject := range list {
		u, err := subject.usage()
		if err != nil {
			return s, err
		}
		before = append(before, u)
	}
	time.Sleep(b.plan.idle)
	for i, subject := range list {
		u, err := subject.usage()
		if err != nil {
			return s, err
		}
		switches := fmt.Sprint(u.switches - before[i].switches)
		held.cells[subject.name] = fmt.Sprintf("%.1f / %.1f", float64(u.rss)/1024, float64(u.pss)/1024)
		woken.cells[subject.name] = switches
		t.rows = append(t.rows, []string{subject.name, fmt.Sprint(u.rss), fmt.Sprint(u.pss), switches})
	}
	for _, c := range b.withFloor() {
		if c.path == "" || c.absent != "" {
			t.rows = append(t.rows, []string{c.name, held.cells[c.name], "", ""})
		}
	}
	s.tables, s.main = []table{t}, []row{held, woken}
	return s, nil
}

// idler starts a contestant on a bed of its own, which the caller ends.
func (b *bench) idler(c *contestant) (*subject, error) {
	d, err := b.newBed()
	if err != nil {
		return nil, err
	}
	s, err := d.begin(c, 0, "")
	if err == nil {
		// In knockd a process waits for the end of each lease.
		_, err = s.settled()
	}
	if err != nil {
		d.end()
		return nil, err
	}
	return s, nil
}

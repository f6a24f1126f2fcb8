package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const restartText = "%d doors are opened for %v each by a command that makes a file and shut by one that removes it. Then the daemon gets " +
	"SIGTERM, 10 s later SIGKILL together with all that is left of it (as systemd's KillMode=mixed does, with 10 s instead " +
	"of its 90), or SIGKILL at once, and is started again. Counted are the files that are left 3 s after the last lease's end. nftables has no " +
	"process; its doors are counted at the same time."

// restart measures what stays open when a daemon is ended and started again.
func restart(b *bench) (section, error) {
	s := section{title: "Restart", text: fmt.Sprintf(restartText, b.plan.leases, b.plan.lease)}
	t := table{head: []string{"", "ended by", "doors open before", "left open"}}
	line := row{measure: fmt.Sprintf("doors left open of %d after TERM / KILL and restart", b.plan.leases), cells: map[string]string{}}
	signals := []struct {
		name string
		sig  syscall.Signal
	}{{"SIGTERM", syscall.SIGTERM}, {"SIGKILL", syscall.SIGKILL}}
	type result struct {
		left int
		err  error
	}
	results := make([][]result, len(b.contestants))
	var all sync.WaitGroup // they mostly wait
	for i, c := range b.contestants {
		results[i] = make([]result, len(signals))
		for k, sig := range signals {
			if c.absent == "" {
				all.Go(func() { results[i][k].left, results[i][k].err = b.restarted(c, sig.sig) })
			}
		}
	}
	all.Wait()
	for i, c := range b.contestants {
		if c.absent != "" {
			t.rows = append(t.rows, []string{c.name, c.absent, "", ""})
			line.cells[c.name] = c.absent
			continue
		}
		for k, sig := range signals {
			r := results[i][k]
			if r.err != nil {
				return s, fmt.Errorf("%s, %s: %w", c.name, sig.name, r.err)
			}
			by := sig.name
			if c.path == "" {
				by = noProcess
			}
			t.rows = append(t.rows, []string{c.name, by, fmt.Sprint(b.plan.leases), fmt.Sprint(r.left)})
		}
		line.cells[c.name] = fmt.Sprintf("%d / %d", results[i][0].left, results[i][1].left)
		if c.path == "" {
			line.cells[c.name] = fmt.Sprintf("%d (no process; the kernel's timeouts)", results[i][0].left)
		}
	}
	s.tables, s.main = []table{t}, []row{line}
	return s, nil
}

// restarted returns how many doors a contestant leaves open.
func (b *bench) restarted(c *contestant, sig syscall.Signal) (left int, err error) {
	d, err := b.newBed()
	if err != nil {
		return 0, err
	}
	defer d.end()
	marks := filepath.Join(d.dir, "marks")
	if err := os.Mkdir(marks, 0o700); err != nil {
		return 0, err
	}
	s, err := d.begin(c, b.plan.lease, marks)
	if err != nil {
		return 0, err
	}
	who := sources(honest4, b.plan.leases)
	if err := s.openAll(who); err != nil {
		return 0, err
	}
	over := time.Now().Add(b.plan.lease + 3*time.Second)
	if s.process != nil {
		if err := s.again(sig); err != nil {
			return 0, err
		}
	}
	time.Sleep(time.Until(over))
	if s.process == nil {
		all, err := s.opened()
		return len(all), err
	}
	for _, src := range who {
		if _, err := os.Stat(filepath.Join(marks, src.String())); err == nil {
			left++
		}
	}
	return left, nil
}

// again ends a daemon with a signal and starts it again.
func (s *subject) again(sig syscall.Signal) error {
	if err := s.process.Signal(sig); err != nil {
		return err
	}
	if _, err := s.process.Exit(10 * time.Second); err != nil {
		s.bed.bench.say("restart: %s does not end 10 s after %v", s.name, sig)
	}
	if err := s.end(); err != nil {
		return err
	}
	return s.run()
}

// why says why a contestant is left out: because it is absent, or otherwise.
func (c *contestant) why(otherwise string) string {
	if c.absent != "" {
		return c.absent
	}
	return otherwise
}

// Command bench puts sesame, the packaged knockd and a set of nftables rules
// through the same work, in one run, because only ratios from one run mean
// anything, and writes docs/benchmarks.md and its plots.
//
//	sudo go run ./bench                   # everything, about 15 minutes
//	sudo go run ./bench -quick            # a look, under 3 minutes, to the screen
//	sudo go run ./bench -only flood,scan -out look
//
// It needs root on Linux, nft, ip, nsenter and cp; knockd and cc where they are
// found. All traffic stays between network namespaces that it makes. These, the
// processes in them and its files are gone when it ends, also when it fails or
// gets a signal; it ends by itself after 25 minutes at the latest.
//
// Other programs at work on the machine make the figures worse.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sesame/e2e/netns"
)

// longest is how long a run may take.
const longest = 25 * time.Minute

func main() {
	netns.Main()
	var o options
	flag.StringVar(&o.sesame, "sesame", "", "the sesame `binary` to measure (default: the repository's, built for this)")
	flag.BoolVar(&o.quick, "quick", false, "less of everything: under 3 minutes")
	flag.StringVar(&o.only, "only", "", "`names` of experiments, with commas: "+strings.Join(names(), ", "))
	flag.StringVar(&o.out, "out", "", "write benchmarks.md and its plots into this `directory` (default: docs, and the screen with -quick or -only)")
	flag.StringVar(&o.readme, "readme", "", "a `file` whose part between the benchmark marks gets the main table; in a whole run only")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench: unknown argument", flag.Arg(0))
		os.Exit(2)
	}
	p := full
	if o.quick {
		p = quick
	}
	if err := run(o, p); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	sesame, only, out, readme string
	quick                     bool
}

// experiments in the order of the report.
var experiments = []struct {
	name string
	run  func(*bench) (section, error)
}{
	{"latency", latency}, {"idle", idle}, {"memory", memory}, {"flood", flood},
	{"noise", noise}, {"forward", forward}, {"scan", scan}, {"restart", restart},
}

func names() (list []string) {
	for _, e := range experiments {
		list = append(list, e.name)
	}
	return list
}

// bench is one run.
type bench struct {
	plan        plan
	dir         string // for files; gone afterwards
	contestants []*contestant
	floor       *contestant
	began       time.Time

	mu     sync.Mutex
	closed bool
	beds   map[*bed]bool
}

func run(o options, p plan) error {
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root; run it with sudo, or as make bench")
	}
	// Threads in system calls must not keep the one that takes the time waiting.
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	b := &bench{plan: p, began: time.Now(), beds: map[*bed]bool{}}
	if b.dir, err = os.MkdirTemp("", "sesame-bench"); err != nil {
		return err
	}
	defer b.close()
	defer b.onSignal()()
	if err := netns.OwnFiles(b.dir); err != nil {
		return err
	}
	m, err := describe()
	if err != nil {
		return err
	}
	if err := b.enlist(o.sesame); err != nil {
		return err
	}
	r := report{machine: m, contestants: b.contestants}
	for _, e := range experiments {
		if !slices.Contains(chosen, e.name) {
			continue
		}
		began := time.Now()
		s, err := e.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		b.say("%s: %.0f s", e.name, time.Since(began).Seconds())
		r.sections = append(r.sections, s)
	}
	r.took = time.Since(b.began)
	return r.publish(o)
}

func choose(only string) ([]string, error) {
	if only == "" {
		return names(), nil
	}
	chosen := strings.Split(only, ",")
	for _, n := range chosen {
		if !slices.Contains(names(), n) {
			return nil, fmt.Errorf("-only %s: no such experiment; there are %s", n, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}

// onSignal has a signal, or too long a run, remove everything and end the
// process. The function that it returns undoes that.
func (b *bench) onSignal() (undo func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	late := time.NewTimer(longest)
	done := make(chan struct{})
	go func() {
		why := ""
		select {
		case <-done:
			return
		case s := <-caught:
			why = s.String()
		case <-late.C:
			why = "still at work after " + longest.String()
		}
		b.close()
		fmt.Fprintln(os.Stderr, "bench: given up:", why)
		os.Exit(1)
	}()
	return func() {
		signal.Stop(caught)
		late.Stop()
		close(done)
	}
}

// close removes all that the run has made.
func (b *bench) close() {
	b.mu.Lock()
	b.closed = true
	var list []*bed
	for d := range b.beds {
		list = append(list, d)
	}
	b.mu.Unlock()
	for _, d := range list {
		d.end()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// say tells what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// folder makes a directory for the files of one daemon.
func (b *bench) folder(name string) (string, error) {
	return os.MkdirTemp(b.dir, filepath.Base(name)+"-")
}

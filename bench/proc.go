package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process holds and has done, from proc(5).
type usage struct {
	rss, pss int // KiB
	switches int // voluntary and involuntary, of all threads
	cpu      time.Duration
}

func usageOf(pid int) (u usage, err error) {
	if u.rss, u.pss, err = memoryOf(pid); err != nil {
		return u, err
	}
	if u.cpu, err = cpuOf(pid); err != nil {
		return u, err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if err != nil {
			return u, err
		}
		for _, key := range []string{"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"} {
			n, err := number(string(status), key)
			if err != nil {
				return u, err
			}
			u.switches += n
		}
	}
	return u, err
}

// memoryOf returns what is exact, unlike the sums in /proc/PID/status.
func memoryOf(pid int) (rss, pss int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	if rss, err = number(string(text), "Rss:"); err != nil {
		return 0, 0, err
	}
	pss, err = number(string(text), "Pss:")
	return rss, pss, err
}

// cpuOf returns the user and system time of all threads, in nanoseconds, where
// /proc/PID/stat has hundredths of a second. A process's clock has its number
// in it (clock_getcpuclockid(3); CPUCLOCK_SCHED in linux/posix-timers.h).
func cpuOf(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// number returns the number that follows key at the start of a line.
func number(text, key string) (n int, err error) {
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, key); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				return 0, fmt.Errorf("%q: %w", l, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("no %s in %q", key, text)
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// runEnv has the test binary be the program, with the experiments named.
const runEnv = "SESAME_BENCH_RUN"

func TestMain(m *testing.M) {
	netns.Main()
	if only := os.Getenv(runEnv); only != "" {
		fmt.Fprintln(os.Stderr, run(options{only: only}, quick))
		os.Exit(0) // a signal ends it otherwise
	}
	os.Exit(m.Run())
}

// tiny does everything once.
var tiny = plan{
	warmUp: 1, knocks: 2,
	idle:  10 * time.Millisecond,
	doors: 4, doorStep: 1,
	flood: 500 * time.Millisecond,
	rates: []int{0, 50_000}, otherRates: []int{1000},
	honest: 2, gap: 20 * time.Millisecond, slowRate: 1000, slowGap: 50 * time.Millisecond,
	pairs: 1, packets: 1000,
	scans: 1, randomScans: 1,
	leases: 2, lease: 2 * time.Second,
}

func need(t *testing.T) {
	t.Helper()
	suite.NeedRoot(t)
	suite.Need(t, "nft", "ip", "nsenter", "knockd", "cc")
	s, err := netns.New()
	if suite.Denied(err) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Every experiment has something to say of every contestant, and nothing is
// left behind. What the figures are decides nothing.
func TestEverything(t *testing.T) {
	need(t)
	files, out := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", files)
	if err := run(options{out: out}, tiny); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, files)
	text, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"latency.svg", "flood.svg", "memory.svg"} {
		svg, err := os.ReadFile(filepath.Join(out, "bench", name))
		if err != nil || bytes.Count(svg, []byte("stroke-width=\"2.5\"")) < 4 {
			t.Errorf("%s: %v\n%s", name, err, svg)
		}
	}
	_, main, _ := strings.Cut(string(text), "## In short\n\n")
	main, _, _ = strings.Cut(main, "\n\n")
	lines := strings.Split(main, "\n")
	if len(lines) != 2+18 || lines[0] != "|  | sesame | knockd | nftables |" {
		t.Errorf("the main table has %d lines:\n%s", len(lines), main)
	}
	for _, l := range lines[2:] {
		cells := strings.Split(strings.Trim(l, "| "), " | ")
		if len(cells) != 4 || strings.HasPrefix(cells[1], "n/a") || strings.HasPrefix(cells[2], "n/a") {
			t.Errorf("not everyone was measured: %s", l)
		}
	}
	// Without a flood all honest knocks open, so that a contestant which opens
	// none in one was not merely set up wrong.
	for _, name := range []string{"sesame", "knockd", "nftables"} {
		if want := "| 0 | 20ms | " + name + " | 0 | 2 of 2 |"; !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestInterrupted(t *testing.T) {
	need(t)
	files := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), runEnv+"=flood", "TMPDIR="+files)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute) // it builds sesame first
	for daemon := false; !daemon; {
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v; %s", err, &said)
		case <-late:
			_ = cmd.Process.Kill()
			t.Fatal("no daemon was started")
		case <-tick.C:
			logs, _ := filepath.Glob(filepath.Join(files, "*", "bed-*", "log"))
			daemon = len(logs) > 0
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-ended:
	case <-time.After(4 * netns.Deadline):
		_ = cmd.Process.Kill()
		t.Fatal("it goes on after SIGINT")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said.String(), "given up: interrupt") {
		t.Errorf("%v; it said %q", err, &said)
	}
	wantNothingLeft(t, files)
}

// wantNothingLeft looks for files, and for processes that were started with
// them as their folder for temporary files.
func wantNothingLeft(t *testing.T, files string) {
	t.Helper()
	list, err := os.ReadDir(files)
	if err != nil || len(list) > 0 {
		t.Errorf("files %v, %v", list, err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		env, _ := os.ReadFile(path) // it may have ended
		if strings.Contains(string(env), "TMPDIR="+files) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			t.Errorf("%s is left: %q", filepath.Dir(path), line)
		}
	}
}

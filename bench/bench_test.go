// Package bench_test measures sesame beside knockd and beside the least that
// such a daemon can be (floor.c), all in one run, because only ratios from one
// run mean anything. Each daemon has a gateway and a client of its own, in
// network namespaces joined by a veth pair.
//
//	sudo go test -run '^$' -bench Latency -benchtime 1x ./bench
//	sudo go test -run '^$' -bench Idle -benchtime 1x ./bench
//
// Latency is the time from just before the last SYN is handed to the kernel
// until /bin/sh, started by the daemon, has written a byte to a pipe that the
// benchmark reads. 200 knocks for each daemon, in turn, 10 ms between the SYNs
// of one, with a pause of random length before each so that a daemon's own
// timers are met at any point. Knockers have addresses of their own.
//
// Idle is memory (Rss and Pss of /proc/PID/smaps_rollup) and the context
// switches of all threads in ten seconds in which nothing happens.
//
// knockd comes from the package of that name and floor.c needs cc; what is
// missing is left out of the table.
package bench_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/netns"
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sesame-bench")
	if err == nil {
		defer os.RemoveAll(dir)
		err = netns.OwnFiles(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// ports is the sequence; its last port is the one that floor.c hears.
var ports = []uint16{7000, 8000, 9000}

// contender is a daemon at work in namespaces of its own.
type contender struct {
	name    string
	process *netns.Process
	knocker *netns.Knocker
	pipe    int // what the daemon's command writes to; read blocks
}

// line returns the arguments that start a daemon whose door runs command.
type line func(dir, command string) (path string, args []string, ready string, err error)

// contenders starts every daemon that can be had here.
func contenders(b *testing.B) []*contender {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("needs root for network namespaces")
	}
	var list []*contender
	for _, c := range []struct {
		name string
		line line
	}{{"sesame", sesame}, {"knockd", knockd}, {"floor", floor}} {
		dir := b.TempDir()
		pipe := filepath.Join(dir, "pipe")
		path, args, ready, err := c.line(dir, "echo > "+pipe)
		if err != nil {
			b.Logf("%s is left out: %v", c.name, err)
			continue
		}
		list = append(list, enter(b, c.name, pipe, ready, path, args))
	}
	return list
}

func enter(b *testing.B, name, pipe, ready, path string, args []string) *contender {
	b.Helper()
	gateway, client, err := netns.Pair()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { err := errors.Join(client.Close(), gateway.Close()); check(b, err) })
	check(b, syscall.Mkfifo(pipe, 0o600))
	c := &contender{name: name}
	// Opened for both, so that a read waits when no writer is there. Not an
	// os.File, whose reads pass through the runtime's poller.
	c.pipe, err = syscall.Open(pipe, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	check(b, err)
	b.Cleanup(func() { check(b, syscall.Close(c.pipe)) })
	c.process, err = netns.Start(gateway.Command(path, args...))
	check(b, err)
	b.Cleanup(c.process.Kill)
	check(b, c.process.Wait(ready, func(l string) bool { return strings.Contains(l, ready) }, 1, netns.Deadline))
	c.knocker, err = netns.NewKnocker(client)
	check(b, err)
	b.Cleanup(func() { check(b, c.knocker.Close()) })
	return c
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// config writes a knockd.conf with one door and returns its path.
func config(dir, options, command string) (string, error) {
	path := filepath.Join(dir, "knockd.conf")
	sequence := strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ","), "[]")
	return path, os.WriteFile(path, fmt.Appendf(nil,
		"[options]\n\t%s\n[door]\n\tsequence = %s\n\ttcpflags = syn\n\tcommand = %s\n",
		options, sequence, command), 0o600)
}

const listening = "starting up, listening on " + netns.GatewayIf

func sesame(dir, command string) (string, []string, string, error) {
	path := filepath.Join(dir, "sesame")
	build := exec.Command("go", "build", "-trimpath", "-gcflags=std=-l", "-ldflags=-s -w", "-o", path, "sesame")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, "", fmt.Errorf("build sesame: %w: %s", err, out)
	}
	conf, err := config(dir, "", command)
	return path, []string{"-i", netns.GatewayIf, "-c", conf}, listening, err
}

func knockd(dir, command string) (string, []string, string, error) {
	path, err := exec.LookPath("knockd")
	if err != nil {
		return "", nil, "", err
	}
	conf, err := config(dir, "logfile = /dev/stdout", command)
	return path, []string{"-i", netns.GatewayIf, "-c", conf}, listening, err
}

func floor(dir, command string) (string, []string, string, error) {
	path := filepath.Join(dir, "floor")
	if out, err := exec.Command("cc", "-O2", "-o", path, "floor.c").CombinedOutput(); err != nil {
		return "", nil, "", fmt.Errorf("compile floor.c: %w: %s", err, out)
	}
	last := fmt.Sprint(ports[len(ports)-1])
	return path, []string{netns.GatewayIf, last, command}, "listening", nil
}

// once knocks from src and returns how long it took until the command ran.
func (c *contender) once(src string) (time.Duration, error) {
	began, err := c.knocker.Knock(src, 10*time.Millisecond, ports...)
	if err != nil {
		return 0, err
	}
	_, err = syscall.Read(c.pipe, make([]byte, 1))
	return netns.Now() - began, err
}

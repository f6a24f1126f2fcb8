//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that runs while a test goes on.
type process struct {
	name string
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
	err  error         // how; good after that

	mu    sync.Mutex
	part  []byte // of a line
	lines []string
}

// Write takes what the program prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part = append(p.part, b...)
	for {
		line, rest, ok := bytes.Cut(p.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		fmt.Printf("%s: %s\n", p.name, line)
		p.lines = append(p.lines, string(line))
		p.part = bytes.Clone(rest)
	}
}

// count returns how often the program has printed a line.
func (p *process) count(want string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if line == want {
			n++
		}
	}
	return n
}

// wait returns when the program has printed a line n times.
func (p *process) wait(want string, n int) error {
	return eventually(fmt.Sprintf("%q from %s, %d times", want, p.name, n), func() error {
		if got := p.count(want); got < n {
			return fmt.Errorf("it is there %d times", got)
		}
		return nil
	})
}

// stop asks the program to end. It must, and say that all was well.
func (p *process) stop() error {
	select {
	case <-p.over:
		return fmt.Errorf("%s has ended by itself: %v", p.name, p.err)
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.over:
		return p.err
	case <-time.After(deadline):
		return errors.New(p.name + " does not end")
	}
}

package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"sesame/e2e/netns"
)

// pipe is what the daemons' commands write a line to each time they run.
type pipe struct {
	path string
	fd   int

	mu    sync.Mutex
	at    map[string]time.Duration // each line, and netns.Now when it first came
	grown chan struct{}            // closed and replaced when a line comes
	ended bool
	gone  chan struct{} // closed when nobody reads any more
}

func newPipe(path string) (*pipe, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make the pipe %s: %w", path, err)
	}
	// Opened for both, so that a read waits when no writer is there. Not an
	// os.File, whose reads pass through the runtime's poller.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	p := &pipe{path: path, fd: fd, at: map[string]time.Duration{}, grown: make(chan struct{}), gone: make(chan struct{})}
	go p.read()
	return p, nil
}

func (p *pipe) read() {
	defer close(p.gone)
	defer syscall.Close(p.fd)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var rest string
	for buffer := make([]byte, 4096); ; {
		n, err := syscall.Read(p.fd, buffer)
		at := netns.Now()
		if err == syscall.EINTR {
			continue
		}
		p.mu.Lock()
		if err != nil || p.ended {
			p.mu.Unlock()
			return
		}
		lines := strings.Split(rest+string(buffer[:n]), "\n")
		rest = lines[len(lines)-1]
		for _, l := range lines[:len(lines)-1] {
			if _, ok := p.at[l]; !ok {
				p.at[l] = at
			}
		}
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
}

// lines returns what has come so far, and when.
func (p *pipe) lines() map[string]time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]time.Duration, len(p.at))
	for l, at := range p.at {
		all[l] = at
	}
	return all
}

// await returns when line has come; false: it did not within limit.
func (p *pipe) await(line string, limit time.Duration) (time.Duration, bool) {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		p.mu.Lock()
		at, ok := p.at[line]
		grown := p.grown
		p.mu.Unlock()
		if ok {
			return at, true
		}
		select {
		case <-grown:
		case <-late.C:
			return 0, false
		}
	}
}

// forget has the next equal line count as the first.
func (p *pipe) forget(line string) {
	p.mu.Lock()
	delete(p.at, line)
	p.mu.Unlock()
}

func (p *pipe) close() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	_, _ = syscall.Write(p.fd, []byte("\n")) // wakes the reader
	<-p.gone
}

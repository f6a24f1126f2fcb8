//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// deadline is how long anything may take: the emulator is slow and its machine
// may be busy.
const deadline = 20 * time.Second

// space is a network namespace, by the name that ip has for it; "": the first.
type space string

// do calls f on a thread in the namespace. What f starts and opens is in it.
func (s space) do(f func() error) error {
	if s == "" {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with this
		fd, err := unix.Open("/run/netns/"+string(s), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- fmt.Errorf("open the namespace %s: %w", s, err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the namespace %s: %w", s, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// run runs lines of words, each a command.
func (s space) run(lines ...string) error {
	for _, line := range lines {
		if out, err := s.output(line); err != nil {
			return fmt.Errorf("%s: %s: %w: %s", s, line, err, out)
		}
	}
	return nil
}

// output runs a line and returns what it prints.
func (s space) output(line string) (out string, err error) { return s.pipe("", line) }

// pipe is output for a line that reads text.
func (s space) pipe(text, line string) (out string, err error) {
	words := strings.Fields(line)
	err = s.do(func() error {
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdin = strings.NewReader(text)
		printed, err := cmd.CombinedOutput()
		out = strings.TrimSpace(string(printed))
		return err
	})
	return out, err
}

// start starts a program whose lines are kept and printed.
func (s space) start(line string) (*process, error) {
	return s.startOn(nil, line)
}

// startOn is start for a program that has a file as its input and output.
func (s space) startOn(f *os.File, line string) (*process, error) {
	words := strings.Fields(line)
	p := &process{name: line, cmd: exec.Command(words[0], words[1:]...), over: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if f != nil {
		p.cmd.Stdin, p.cmd.Stdout = f, f
	}
	if err := s.do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("%s: start %s: %w", s, line, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.over)
	}()
	return p, nil
}

// knock knocks at both doors. It tries to connect to the ports of the first, one
// after the other, which must be refused: the link carries packets both ways.
func (s space) knock(to netip.Addr) error {
	for _, port := range []uint16{7000, 8000, 9000} {
		if err := s.try(netip.AddrPortFrom(to, port), deadline); err != nil {
			return err
		}
	}
	return s.do(func() error {
		c, err := net.Dial("udp", netip.AddrPortFrom(to, 7007).String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("knock"))
		return err
	})
}

func (s space) try(to netip.AddrPort, patience time.Duration) error {
	return s.do(func() error {
		c, err := (&net.Dialer{Timeout: patience}).Dial("tcp", to.String())
		if err == nil {
			c.Close()
			return fmt.Errorf("%v is open, where nothing listens", to)
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return err
		}
		return nil
	})
}

// reach returns when the other side answers.
func (s space) reach(to netip.Addr) error {
	return eventually("an answer of "+to.String(), func() error {
		return s.try(netip.AddrPortFrom(to, 1), 2*time.Second)
	})
}

// eventually repeats f until it returns nil.
func eventually(what string, f func() error) (err error) {
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("waited for %s: %w", what, err)
}

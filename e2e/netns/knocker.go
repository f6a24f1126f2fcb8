package netns

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Knocker sends TCP SYN knocks from a client and says when the last one left.
// It is not safe for concurrent use.
type Knocker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// NewKnocker starts a knocker in client.
func NewKnocker(client *Space) (*Knocker, error) {
	cmd := client.Helper("knock")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Knocker{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// Knock sends a SYN from src to each port of the gateway, gap apart, and
// returns Now as it was just before the last was handed to the kernel.
func (k *Knocker) Knock(src string, gap time.Duration, ports ...uint16) (time.Duration, error) {
	line := fmt.Sprint(src, " ", int64(gap))
	for _, p := range ports {
		line += fmt.Sprint(" ", p)
	}
	if _, err := fmt.Fprintln(k.in, line); err != nil {
		return 0, err
	}
	var at int64
	if _, err := fmt.Fscanln(k.out, &at); err != nil {
		return 0, fmt.Errorf("knock: %w", err)
	}
	return time.Duration(at), nil
}

// Close ends the knocker.
func (k *Knocker) Close() error {
	k.in.Close()
	return k.cmd.Wait()
}

// Now returns the time on the clock that all processes of the machine share
// (CLOCK_MONOTONIC, clock_gettime(2)).
func Now() time.Duration {
	const clockMonotonic = 1
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// knock is the helper: a line "source gap port..." in, a time out.
func knock() error {
	w, err := openWire()
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		f := strings.Fields(in.Text())
		if len(f) < 3 {
			return fmt.Errorf("%q: want a source, a gap and ports", in.Text())
		}
		var gap int64
		if _, err := fmt.Sscan(f[1], &gap); err != nil {
			return err
		}
		var at time.Duration
		for i, text := range f[2:] {
			var port uint16
			if _, err := fmt.Sscan(text, &port); err != nil {
				return err
			}
			if i > 0 {
				time.Sleep(time.Duration(gap))
			}
			p := TCP(f[0], Gateway4, port, SYN)
			to := w.to(p)
			at = Now()
			if err := syscall.Sendto(w.fd, p, 0, to); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		fmt.Println(int64(at))
	}
	return nil
}

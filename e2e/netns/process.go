package netns

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a running program whose output is collected line by line. Its
// methods may be used concurrently.
type Process struct {
	Name string

	cmd  *exec.Cmd
	exit chan struct{} // closed when the program has exited
	eof  chan struct{} // closed when nobody holds its output any more

	mu    sync.Mutex
	pid   int // 0: not known yet
	lines []string
	grown chan struct{} // closed and replaced when a line comes
}

// Start starts cmd, which Space.Command made, and collects both of its outputs.
func Start(cmd *exec.Cmd) (*Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	p := &Process{
		Name: strings.Join(cmd.Args, " "), cmd: cmd,
		exit: make(chan struct{}), eof: make(chan struct{}), grown: make(chan struct{}),
	}
	go p.collect(r)
	go func() {
		_ = cmd.Wait() // the state is kept in cmd
		close(p.exit)
	}()
	return p, nil
}

func (p *Process) collect(r *os.File) {
	defer close(p.eof)
	defer r.Close()
	for in := bufio.NewReader(r); ; {
		line, err := in.ReadString('\n')
		if line != "" {
			p.mu.Lock()
			p.lines = append(p.lines, strings.TrimRight(line, "\n"))
			close(p.grown)
			p.grown = make(chan struct{})
			p.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// Lines returns what the program has printed so far.
func (p *Process) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// Count returns how many of the lines printed so far match.
func (p *Process) Count(match func(line string) bool) int {
	n := 0
	for _, l := range p.Lines() {
		if match(l) {
			n++
		}
	}
	return n
}

// Wait returns when n lines match. It fails when the program ends without, or
// after limit; the error then calls the lines what.
func (p *Process) Wait(what string, match func(line string) bool, n int, limit time.Duration) error {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for ended := false; ; {
		p.mu.Lock()
		grown := p.grown
		p.mu.Unlock()
		got := p.Count(match)
		if got >= n {
			return nil
		}
		why := ""
		if ended {
			why = "its output ended"
		} else {
			select {
			case <-grown:
			case <-p.eof:
				ended = true
			case <-timeout.C:
				why = "nothing came for " + limit.String()
			}
		}
		if why != "" {
			return fmt.Errorf("%s: %d of %d lines with %q, then %s; printed:\n%s",
				p.Name, got, n, what, why, strings.Join(p.Lines(), "\n"))
		}
	}
}

// PID returns the process number of the program itself as seen by the caller,
// which is the child of the nsenter that was started.
func (p *Process) PID() (int, error) {
	for end := time.Now().Add(Deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p.mu.Lock()
		if p.pid == 0 {
			p.pid = child(p.cmd.Process.Pid)
		}
		pid := p.pid
		p.mu.Unlock()
		if pid != 0 {
			return pid, nil
		}
		select {
		case <-p.exit:
			return 0, errors.New("the program has exited")
		default:
		}
	}
	return 0, errors.New("nsenter started nothing")
}

// child returns the first child of a process, 0 when there is none; see
// proc_pid_task_tid_children(5).
func child(parent int) (pid int) {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(list), &pid); err != nil {
		return 0
	}
	return pid
}

// Signal sends sig to the program itself.
func (p *Process) Signal(sig syscall.Signal) error {
	pid, err := p.PID()
	if err != nil {
		return err
	}
	if p.Exited() { // the number may be another's by now
		return errors.New("the program has exited")
	}
	if err := syscall.Kill(pid, sig); err != nil || sig != syscall.SIGKILL {
		return err
	}
	return p.Continue()
}

// Paused reports whether the program has been stopped, with all of its threads.
func (p *Process) Paused() bool {
	pid, err := p.PID()
	if err != nil {
		return false
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	// nsenter stops later, and would do so after a Continue that comes too early.
	for _, path := range append(threads, fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)) {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), ") T ") {
			return false
		}
	}
	return true
}

// Continue lets a program go on that was stopped. nsenter stops with its child,
// and would not see that it has ended.
func (p *Process) Continue() error {
	err := p.cmd.Process.Signal(syscall.SIGCONT)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Exited reports whether the program has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.exit:
		return true
	default:
		return false
	}
}

// Exit waits for the program to end and returns its exit status, -1 for a
// signal. What it printed is then complete, unless a child of it lives on.
func (p *Process) Exit(limit time.Duration) (int, error) {
	select {
	case <-p.exit:
	case <-time.After(limit):
		return 0, fmt.Errorf("%s: still running after %s; printed:\n%s",
			p.Name, limit, strings.Join(p.Lines(), "\n"))
	}
	select {
	case <-p.eof:
	case <-time.After(time.Second):
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// Kill ends the program at once, if it still runs, and waits for that.
func (p *Process) Kill() {
	if p.Exited() {
		return
	}
	_ = p.Signal(syscall.SIGKILL)
	<-p.exit
}

package exec

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxAtOnce is how many start commands of one door run at the same time,
	// and how many stop commands. Each door has its own, since commands may run
	// for hours: those of one door never keep another from being opened or
	// shut, and starts that hang never keep their own from being shut.
	maxAtOnce = 16

	// maxWaiting is how many start commands of one door without a stop command
	// may wait for their turn. Leases have a bound of their own.
	maxWaiting = 4096

	// maxLeft is how many commands may leave processes behind that hold their
	// output open. Without a bound they would take all descriptors in time.
	maxLeft = 64

	// maxReady is how many outputs are looked at in a row.
	maxReady = 16
)

// event is what a command is run for.
type event uint8

const (
	start event = iota
	stop
)

// command is one shell command to run.
type command struct {
	door  string
	text  string
	event event
	lease int // index of the lease it belongs to; -1: none
}

// status is how a command ended.
type status struct {
	wait unix.WaitStatus
	err  error // it could not be run at all
}

// line is where the commands of one door wait, start and stop apart.
type line struct {
	door  string
	event event
}

// queue is the state of a line. It is there while a command of it runs.
type queue struct {
	running int
	waiting []command
}

// runner supervises shell commands: at most maxAtOnce of each line run, the
// others wait in the order of their coming. It has no goroutine: its owner
// polls epoll and calls output, and calls reap after SIGCHLD.
type runner struct {
	log    func(string)
	ended  func(command, status)
	epoll  int
	null   int
	env    []string
	queues map[line]*queue
	byPID  map[int]*process
	byPipe map[int32]*process
}

type process struct {
	command
	pid   int
	pipe  int
	lines lines
}

func newRunner(log func(string), ended func(command, status)) (*runner, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		unix.Close(null)
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &runner{
		log: log, ended: ended, epoll: epoll, null: null, env: os.Environ(),
		queues: map[line]*queue{}, byPID: map[int]*process{}, byPipe: map[int32]*process{},
	}, nil
}

// submit runs a command now or when its turn comes. A full queue refuses start
// commands without a lease and says so.
func (r *runner) submit(c command) {
	q := r.queues[c.line()]
	if q == nil {
		q = &queue{}
		r.queues[c.line()] = q
	}
	switch {
	case q.running < maxAtOnce:
		r.run(c, q)
	case c.lease < 0 && len(q.waiting) >= maxWaiting:
		r.log(fmt.Sprintf("%s: %d commands wait already, not run: %s", c.door, maxWaiting, c.text))
	default:
		if len(q.waiting) == 0 {
			r.log(fmt.Sprintf("%s: %d commands run already, those that follow wait", c.door, maxAtOnce))
		}
		q.waiting = append(q.waiting, c)
	}
	r.tidy(c.line(), q)
}

func (c *command) line() line { return line{c.door, c.event} }

// run starts a command; when that fails, it has ended.
func (r *runner) run(c command, q *queue) {
	r.log(c.door + ": running command: " + c.text)
	p, err := r.spawn(c)
	if err != nil {
		r.log(fmt.Sprintf("%s: cannot run /bin/sh: %v", c.door, err))
		r.ended(c, status{err: err})
		return
	}
	q.running++
	r.byPID[p.pid], r.byPipe[int32(p.pipe)] = p, p
}

// forgetWaiting drops the start commands that have not begun, and calls dropped
// with each.
func (r *runner) forgetWaiting(dropped func(command)) {
	for l, q := range r.queues {
		if l.event == start {
			for _, c := range q.waiting {
				dropped(c)
			}
			q.waiting = nil
		}
	}
}

// spawn starts /bin/sh in a session of its own, as knockd does, with both
// outputs in one pipe.
func (r *runner) spawn(c command) (*process, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[1])
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", c.text}, &syscall.ProcAttr{
		Env:   r.env,
		Files: []uintptr{uintptr(r.null), uintptr(pipe[1]), uintptr(pipe[1])},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(pipe[0])
		return nil, os.NewSyscallError("fork", err)
	}
	p := &process{command: c, pid: pid, pipe: pipe[0]}
	// Neither can fail on a descriptor that was just made, but for want of
	// memory: the output is then lost, the command is not.
	unix.SetNonblock(p.pipe, true)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.pipe)}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, p.pipe, &event); err != nil {
		r.log(fmt.Sprintf("%s: output is lost: %v", c.door, os.NewSyscallError("epoll_ctl", err)))
	}
	return p, nil
}

// output logs what commands wrote, line by line.
func (r *runner) output() {
	var events [maxReady]unix.EpollEvent
	n, err := unix.EpollWait(r.epoll, events[:], 0)
	if err != nil {
		return // EINTR: the descriptor is still ready
	}
	for _, ev := range events[:n] {
		// One read each: a command that never stops writing does not keep the
		// loop from anything else.
		if p := r.byPipe[ev.Fd]; p != nil && !r.read(p) {
			r.closePipe(p)
		}
	}
}

// read takes one buffer of output and reports whether more may come.
func (r *runner) read(p *process) bool {
	var b [4096]byte
	n, err := unix.Read(p.pipe, b[:])
	switch {
	case n > 0:
		p.lines.write(b[:n], r.log)
		return true
	case err == unix.EAGAIN || err == unix.EINTR:
		return true
	}
	return false
}

// closePipe ends the reading of a command's output. A child that the command
// left behind may hold the pipe long after the command itself has ended.
func (r *runner) closePipe(p *process) {
	p.lines.flush(r.log)
	delete(r.byPipe, int32(p.pipe))
	unix.Close(p.pipe)
	p.pipe = -1
}

// reap takes the commands that have ended and starts those that wait. It also
// takes children of children, which come to process 1 of a container.
func (r *runner) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if p := r.byPID[pid]; p != nil {
			delete(r.byPID, pid)
			r.end(p, ws)
		}
	}
}

func (r *runner) end(p *process, ws unix.WaitStatus) {
	r.drain(p)
	if p.pipe >= 0 && len(r.byPipe)-len(r.byPID) > maxLeft {
		r.log(fmt.Sprintf("%s: left a process behind, whose output is not read: %d are already", p.door, maxLeft))
		r.closePipe(p)
	}
	q := r.queues[p.line()]
	q.running--
	switch {
	case ws.Signaled():
		r.log(fmt.Sprintf("%s: command was ended by signal %d (%v)", p.door, ws.Signal(), ws.Signal()))
	case ws.ExitStatus() != 0:
		r.log(fmt.Sprintf("%s: command returned non-zero status code (%d)", p.door, ws.ExitStatus()))
	}
	r.ended(p.command, status{wait: ws})
	for len(q.waiting) > 0 && q.running < maxAtOnce {
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		r.run(next, q)
	}
	r.tidy(p.line(), q)
}

// tidy forgets a queue in which nothing runs and nothing waits.
func (r *runner) tidy(l line, q *queue) {
	if q.running == 0 && len(q.waiting) == 0 {
		delete(r.queues, l)
	}
}

// drain logs the output that is there when a command ends, so that it comes
// before the line on its status. A pipe holds 64 kB (pipe(7)).
func (r *runner) drain(p *process) {
	for range 16 {
		if p.pipe < 0 {
			return
		}
		var ready [1]unix.PollFd
		ready[0] = unix.PollFd{Fd: int32(p.pipe), Events: unix.POLLIN}
		if n, _ := unix.Poll(ready[:], 0); n == 0 {
			break
		}
		if !r.read(p) {
			r.closePipe(p)
		}
	}
	p.lines.flush(r.log)
}

// close gives the runner's descriptors back. Commands that run go on.
func (r *runner) close() {
	for _, p := range r.byPipe {
		unix.Close(p.pipe)
	}
	unix.Close(r.epoll)
	unix.Close(r.null)
}

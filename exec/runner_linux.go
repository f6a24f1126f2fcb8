package exec

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sesame/fault"
	"sesame/matcher"
)

const (
	// maxWaiting is how many commands without a lease may wait for their turn.
	// Leases have a bound of their own.
	maxWaiting = 4096

	// maxLeft is how many commands may leave processes behind that hold their
	// output open. Without a bound they would take all descriptors in time.
	maxLeft = 64

	// killPause is how long a command that takes too long has to end after
	// SIGTERM, before SIGKILL.
	killPause = 5 * time.Second
)

// event is what a command is run for.
type event uint8

const (
	start event = iota
	stop
	numEvents
)

// command is one shell command to run.
type command struct {
	event event
	lease int32  // index of the lease it belongs to; -1: none
	door  string // its name
	text  string // of a lease's: from its turn on
	alone bool   // runs beside no other such command
	src   matcher.Addr
}

// runner supervises shell commands. At most AtOnce run. The others wait in the
// order of their coming, but do not wait for those that have no right to the
// place that is free: commands may run for hours, so one door has at most half
// of the places for each event, and start commands leave a quarter of all to
// stop commands, until all doors are being shut. Commands of ufw run one at a
// time. It has no goroutine.
type runner struct {
	leases  *Leases // told when a command begins and ends
	epoll   int
	null    int
	env     []string
	running [numEvents]int
	alone   int // 1 while a command runs that must run alone
	byLine  map[line]share
	waiting []command
	loose   int // commands without a lease among those that wait
	byPID   map[int]*process
	byPipe  map[int32]*process
	next    matcher.Time // when expire must be called
}

func newRunner(l *Leases) (*runner, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.New("open /dev/null", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		unix.Close(null)
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.journal != nil {
		if err := poll(epoll, unix.EPOLL_CTL_ADD, l.journal.disk.fd, unix.EPOLLIN); err != nil {
			unix.Close(null)
			unix.Close(epoll)
			return nil, os.NewSyscallError("epoll_ctl", err)
		}
	}
	return &runner{
		leases: l, epoll: epoll, null: null, env: os.Environ(), next: matcher.Never,
		byLine: map[line]share{}, byPID: map[int]*process{}, byPipe: map[int32]*process{},
	}, nil
}

// poll adds a descriptor to those of an epoll instance, or changes what it is
// looked at for.
func poll(epoll, op, fd int, events uint32) error {
	return unix.EpollCtl(epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// run runs a command; when that fails, it has ended.
func (r *runner) run(c command) {
	if !r.leases.begin(&c) {
		return
	}
	r.log(c.door, "running command: "+c.text)
	p, err := spawn(c, r.null, append(r.env[:len(r.env):len(r.env)], r.leases.environment(&c)...))
	if err != nil {
		r.log(c.door, "cannot run /bin/sh: "+err.Error())
		r.leases.ended(c, false)
		return
	}
	if err := poll(r.epoll, unix.EPOLL_CTL_ADD, p.pipe, unix.EPOLLIN); err != nil {
		r.log(c.door, "output is lost: "+os.NewSyscallError("epoll_ctl", err).Error())
	}
	if t := r.timeout(c.event); t > 0 {
		p.deadline, p.sig = r.leases.at.Now.Add(t), unix.SIGTERM
		r.next = min(r.next, p.deadline)
	}
	r.running[c.event]++
	if c.alone {
		r.alone++
	}
	r.count(c.line(), 1, 0)
	r.byPID[p.pid], r.byPipe[int32(p.pipe)] = p, p
	r.leases.spawned(&c, p.pid)
}

func (r *runner) timeout(e event) time.Duration {
	if e == start {
		return r.leases.StartTimeout
	}
	return r.leases.StopTimeout
}

// reap takes the commands that have ended and runs those that wait. It also
// takes children of children, which come to process 1 of a container.
func (r *runner) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			break
		}
		if p := r.byPID[pid]; p != nil {
			r.end(p, ws)
		} else {
			r.leases.lookupEnded(pid)
		}
	}
	r.setNext()
}

func (r *runner) end(p *process, ws unix.WaitStatus) {
	delete(r.byPID, p.pid)
	r.running[p.event]--
	if p.alone {
		r.alone--
	}
	r.count(p.line(), -1, 0)
	r.drain(p)
	if p.pipe >= 0 && len(r.byPipe)-len(r.byPID) > maxLeft {
		r.log(p.door, "left a process behind, whose output is not read: "+strconv.Itoa(maxLeft)+" are already")
		r.closePipe(p)
	}
	switch {
	case ws.Signaled():
		r.log(p.door, "command was ended by signal "+signalText(ws.Signal()))
	case ws.ExitStatus() != 0:
		r.log(p.door, "command returned non-zero status code ("+strconv.Itoa(ws.ExitStatus())+")")
	}
	if p.told {
		p.signal(unix.SIGKILL) // to its children that live on: the next command of the lease must not meet them
	}
	r.runWaiting() // what comes of this end has to wait its turn
	r.leases.ended(p.command, !p.told && ws.Exited() && ws.ExitStatus() == 0)
}

// expire ends commands that have taken too long, and looks again at the output
// of those that write too much.
func (r *runner) expire(now matcher.Time) {
	if now < r.next {
		return
	}
	for _, p := range r.byPID {
		if now >= p.deadline {
			r.log(p.door, "command takes longer than "+seconds(r.timeout(p.event))+", sent signal "+signalText(p.sig)+": "+p.text)
			p.signal(p.sig)
			p.deadline, p.sig = now.Add(killPause), unix.SIGKILL
		}
	}
	for _, p := range r.byPipe {
		if now >= p.muted {
			p.muted = matcher.Never
			poll(r.epoll, unix.EPOLL_CTL_MOD, p.pipe, unix.EPOLLIN)
		}
	}
	r.setNext()
}

// setNext finds out when expire must be called.
func (r *runner) setNext() {
	r.next = matcher.Never
	for _, p := range r.byPID {
		r.next = min(r.next, p.deadline)
	}
	for _, p := range r.byPipe {
		r.next = min(r.next, p.muted)
	}
}

// interrupt sends a signal to start commands of leases.
func (r *runner) interrupt(sig unix.Signal) {
	for _, p := range r.byPID {
		if p.event == start && p.lease >= 0 {
			r.log(p.door, "command still runs, sent signal "+signalText(sig)+": "+p.text)
			p.signal(sig)
		}
	}
}

// pidOf returns the process of a lease's command, 0 if none runs.
func (r *runner) pidOf(lease int32) int {
	for pid, p := range r.byPID {
		if p.lease == lease {
			return pid
		}
	}
	return 0
}

func (r *runner) log(door, text string) { r.leases.Log(door + ": " + text) }

func signalText(sig unix.Signal) string {
	return strconv.Itoa(int(sig)) + " (" + sig.String() + ")"
}

// close gives the runner's descriptors back. Commands that run go on.
func (r *runner) close() {
	for _, p := range r.byPipe {
		unix.Close(p.pipe)
	}
	unix.Close(r.epoll)
	unix.Close(r.null)
}

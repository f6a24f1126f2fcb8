package exec

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxReady is how many outputs are looked at in a row.
	maxReady = 16

	// maxOutput is how much of a command's output goes to the log, in bytes.
	maxOutput = 64 << 10

	// mutePause is how long a command that has written more waits until it can
	// write on: what it writes must not take the daemon's time.
	mutePause = 250 * time.Millisecond
)

// ready logs what commands wrote, line by line.
func (r *runner) ready() {
	var events [maxReady]unix.EpollEvent
	n, err := unix.EpollWait(r.epoll, events[:], 0)
	if err != nil {
		return // EINTR: the descriptor is still ready
	}
	for _, ev := range events[:n] {
		if j := r.leases.journal; j != nil && int(ev.Fd) == j.disk.fd {
			j.done()
			continue
		}
		if r.leases.lookupReady(ev.Fd) {
			continue
		}
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
	if n <= 0 {
		return err == unix.EAGAIN || err == unix.EINTR
	}
	logged := p.lines.logged
	p.lines.write(b[:n], r.leases.Log)
	if p.lines.logged <= maxOutput {
		return true
	}
	if logged <= maxOutput {
		r.log(p.door, "writes more than "+strconv.Itoa(maxOutput>>10)+" kB, the rest is not logged: "+p.text)
	}
	// A pipe holds 64 kB (pipe(7)): so much is thrown away before the pause.
	for range 16 {
		if n, _ := unix.Read(p.pipe, b[:]); n <= 0 {
			break
		}
	}
	p.muted = r.leases.at.Now.Add(mutePause)
	r.next = min(r.next, p.muted)
	poll(r.epoll, unix.EPOLL_CTL_MOD, p.pipe, 0)
	return true
}

// closePipe ends the reading of a command's output. A child that the command
// left behind may hold the pipe long after the command itself has ended.
func (r *runner) closePipe(p *process) {
	p.lines.flush(r.leases.Log)
	delete(r.byPipe, int32(p.pipe))
	unix.Close(p.pipe)
	p.pipe = -1
}

// drain logs the output that is there when a command ends, so that it comes
// before the line on its status.
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
	p.lines.flush(r.leases.Log)
}

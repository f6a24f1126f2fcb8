package exec

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// process is a command that runs, or has left its output open.
type process struct {
	command
	pid      int
	pipe     int          // its output; -1: closed
	deadline matcher.Time // for sig; Never: it has its time
	sig      unix.Signal
	told     bool // to end, before it had done its work
	lines    lines
	muted    matcher.Time // its output is not looked at until then; Never: it is
}

// spawn starts /bin/sh in a session of its own, as knockd does, with both
// outputs in one pipe.
func spawn(c command, null int, env []string) (*process, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[1])
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", c.text}, &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{uintptr(null), uintptr(pipe[1]), uintptr(pipe[1])},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(pipe[0])
		return nil, os.NewSyscallError("fork", err)
	}
	unix.SetNonblock(pipe[0], true) // which cannot fail on one just made
	return &process{command: c, pid: pid, pipe: pipe[0], deadline: matcher.Never, muted: matcher.Never}, nil
}

// signal reaches the command and all its children: a session of its own is a
// process group of its own.
func (p *process) signal(sig unix.Signal) {
	p.told = true
	unix.Kill(-p.pid, sig)
}

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

// spawn starts a command, as knockd does: both outputs go to one pipe.
func spawn(c command, null int, env []string) (*process, error) {
	pid, pipe, err := shell(null, env, true, c.text)
	if err != nil {
		return nil, err
	}
	return &process{command: c, pid: pid, pipe: pipe, deadline: matcher.Never, muted: matcher.Never}, nil
}

// shell starts /bin/sh -c with arguments, in a session of its own, and returns
// the end of a pipe from which its output can be read without waiting.
func shell(null int, env []string, withErrors bool, args ...string) (pid, output int, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, -1, os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[1])
	stderr := null
	if withErrors {
		stderr = pipe[1]
	}
	pid, err = syscall.ForkExec("/bin/sh", append([]string{"sh", "-c"}, args...), &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{uintptr(null), uintptr(pipe[1]), uintptr(stderr)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(pipe[0])
		return 0, -1, os.NewSyscallError("fork", err)
	}
	unix.SetNonblock(pipe[0], true) // which cannot fail on one just made
	return pid, pipe[0], nil
}

// signal reaches the command and all its children: a session of its own is a
// process group of its own.
func (p *process) signal(sig unix.Signal) {
	p.told = true
	unix.Kill(-p.pid, sig)
}

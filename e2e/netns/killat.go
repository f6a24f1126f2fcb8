package netns

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// KillAt kills p, which is stopped, when it is about to make its n-th system
// call of interest after it has executed another program, and continues it. The
// number of that call is sent when p has ended, -1 if p ended earlier.
func (p *Process) KillAt(n int) (<-chan int, error) {
	pid, err := p.PID()
	if err != nil {
		return nil, err
	}
	cmd := helper("killat", strconv.Itoa(pid), strconv.Itoa(n))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "attached\n" {
		_ = cmd.Wait()
		return nil, fmt.Errorf("trace process %d: the helper said %q: %w", pid, line, err)
	}
	done := make(chan int, 1)
	go func() {
		call := -1
		fmt.Fscanln(out, &call)
		_ = cmd.Wait()
		done <- call
	}()
	return done, p.Continue()
}

// ptraceInfo is struct ptrace_syscall_info of ptrace(2), as far as it is used.
type ptraceInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64
	nr   uint64
	_    [64]byte
}

const syscallEntry = 1 // PTRACE_SYSCALL_INFO_ENTRY

// dull are system calls of the Go runtime and of waiting: what a kill before
// one of them leaves behind, a kill before the next one leaves as well.
var dull = map[uint64]bool{
	unix.SYS_FUTEX: true, unix.SYS_EPOLL_PWAIT: true, unix.SYS_NANOSLEEP: true, unix.SYS_MADVISE: true,
	unix.SYS_MUNMAP: true, unix.SYS_MPROTECT: true, unix.SYS_RT_SIGPROCMASK: true,
	unix.SYS_RT_SIGACTION: true, unix.SYS_RT_SIGRETURN: true, unix.SYS_SIGALTSTACK: true, unix.SYS_TGKILL: true,
	unix.SYS_GETPID: true, unix.SYS_GETTID: true, unix.SYS_SCHED_YIELD: true, unix.SYS_CLOCK_GETTIME: true,
	unix.SYS_RESTART_SYSCALL: true, unix.SYS_PPOLL: true, unix.SYS_SCHED_GETAFFINITY: true, unix.SYS_PRCTL: true,
	unix.SYS_FSTAT: true, unix.SYS_PRLIMIT64: true, unix.SYS_BRK: true, unix.SYS_TIMERFD_SETTIME: true,
}

// killAt is the helper.
func killAt(pidText, nText string) error {
	pid, err := strconv.Atoi(pidText)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(nText)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // all that is traced belongs to one thread
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, options, 0, 0); errno != 0 {
		return os.NewSyscallError("ptrace", errno)
	}
	fmt.Println("attached")
	t := tracer{pid: pid, left: n, call: -1}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD:
			fmt.Println(t.call)
			return nil
		case err != nil:
			return os.NewSyscallError("wait4", err)
		case ws.Stopped():
			// A thread that was killed meanwhile is not there: the next wait tells.
			_ = unix.PtraceSyscall(tid, t.stopped(tid, ws))
		}
	}
}

// tracer counts system calls.
type tracer struct {
	pid, left int
	executed  bool
	call      int // the one that was not made
}

// stopped looks at why a thread has stopped, and returns the signal that it is
// to get.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) (pass int) {
	switch sig, event := ws.StopSignal(), int(ws)>>16; {
	case sig == unix.SIGTRAP|0x80:
		var info ptraceInfo
		unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
		if !t.executed || info.op != syscallEntry || dull[info.nr] {
			return 0
		}
		if t.left--; t.left == 0 {
			t.call = int(info.nr)
			unix.Kill(t.pid, unix.SIGKILL)
		}
	case event == unix.PTRACE_EVENT_EXEC:
		t.executed = true
	case event == 0:
		return int(sig)
	}
	return 0
}

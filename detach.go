package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/fault"
)

// detachedEnv marks the process that was started to run detached. It holds the
// descriptor on which that process says that it has started.
const detachedEnv = "SESAME_DETACHED"

// takeReady returns that descriptor, 0 if there is none, and keeps it from the
// commands that will be run.
func takeReady() int {
	fd, err := strconv.Atoi(os.Getenv(detachedEnv))
	os.Unsetenv(detachedEnv)
	if err != nil {
		return 0
	}
	unix.CloseOnExec(fd)
	return fd
}

// detach runs the program once more in a session of its own and waits until it
// has started. Whatever keeps it from starting is on stderr by then, and the
// exit status is 1.
func detach() int {
	var ready [2]int
	if err := unix.Pipe2(ready[:], unix.O_CLOEXEC); err != nil {
		return fail(os.NewSyscallError("pipe2", err))
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	const childReady = 3
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), detachedEnv+"="+strconv.Itoa(childReady)),
		Files: []uintptr{null.Fd(), null.Fd(), os.Stderr.Fd(), uintptr(ready[1])},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	unix.Close(ready[1])
	if err != nil {
		return fail(fault.New("detach", err))
	}
	var b [1]byte
	if n, _ := unix.Read(ready[0], b[:]); n == 1 {
		return 0
	}
	// It ended before it was ready.
	var ws unix.WaitStatus
	unix.Wait4(pid, &ws, 0, nil)
	return 1
}

// becomeDaemon leaves the terminal for good and tells the waiting parent. The
// pidfile is there before the parent exits.
func (d *daemon) becomeDaemon() error {
	if err := unix.Chdir("/"); err != nil {
		return os.NewSyscallError("chdir", err)
	}
	// It was started as /proc/self/exe: let ps(1) and pgrep(1) show its name.
	name := os.Args[0][strings.LastIndexByte(os.Args[0], '/')+1:]
	if err := os.WriteFile("/proc/self/comm", []byte(name), 0); err != nil {
		d.log.warn("processes are listed as exe: " + err.Error())
	}
	d.ownPidfile = d.pidPath()
	if err := os.WriteFile(d.ownPidfile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		d.log.warn("could not create pid file " + d.ownPidfile + ": " + err.Error())
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.New("detach: open "+os.DevNull, err)
	}
	if err := unix.Dup3(null, int(os.Stderr.Fd()), 0); err != nil {
		return os.NewSyscallError("dup3", err)
	}
	if _, err := unix.Write(d.ready, []byte{1}); err != nil {
		return os.NewSyscallError("write", err)
	}
	return os.NewSyscallError("close", unix.Close(d.ready))
}

func (d *daemon) pidPath() string {
	switch {
	case d.pidfile != "":
		return d.pidfile
	case d.doors.config.PidFile != "":
		return d.absolute(d.doors.config.PidFile)
	}
	return config.DefaultPidFile
}

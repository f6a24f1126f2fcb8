package main

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/fault"
)

const (
	// demoEnv marks the process that runs inside the demo's namespaces. It
	// holds the user outside of them.
	demoEnv = "SESAME_DEMO"

	// demoTime bounds each wait of the demo: nothing in it takes longer than
	// the lease of two seconds.
	demoTime = 5 * time.Second
)

// demo shows a door open and shut. It runs in network, mount and, without root,
// user namespaces of its own, so that it needs nothing and leaves nothing behind.
func demo() int {
	if user := os.Getenv(demoEnv); user != "" {
		return demoInside(user == "0")
	}
	// Pdeathsig is sent when the thread that forked ends.
	runtime.LockOSThread()
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"sesame", "demo"}, &syscall.ProcAttr{
		Env:   append(os.Environ(), demoEnv+"="+strconv.Itoa(os.Geteuid())),
		Files: []uintptr{0, 1, 2},
		Sys:   attr,
	})
	if err != nil {
		return fail(namespaceError(err, os.Geteuid() == 0))
	}
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &ws, 0, nil); err != unix.EINTR {
			break
		}
	}
	if ws.Exited() {
		return ws.ExitStatus()
	}
	return fail(errors.New("the demo was ended by signal " + strconv.Itoa(int(ws.Signal())) + " (" + ws.Signal().String() + ")"))
}

// namespaceError names what forbids the demo's namespaces.
func namespaceError(err error, root bool) error {
	if root {
		return errors.New("make a network namespace: " + err.Error() + " (in a container, give it CAP_SYS_ADMIN)")
	}
	forbidden := "make a user namespace: " + err.Error() + ": the kernel forbids it"
	for _, limit := range []struct{ name, forbids, permits string }{
		{"kernel.unprivileged_userns_clone", "0", "1"},             // Debian
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"}, // Ubuntu
		{"user.max_user_namespaces", "0", "10000"},
		{"user.max_net_namespaces", "0", "10000"},
	} {
		value, e := config.ReadFile("/proc/sys/" + strings.ReplaceAll(limit.name, ".", "/"))
		if e == nil && strings.TrimSpace(string(value)) == limit.forbids {
			return errors.New(forbidden + ": " + limit.name + " is " + limit.forbids +
				"; run the demo as root, or allow it with: sysctl -w " + limit.name + "=" + limit.permits)
		}
	}
	return errors.New(forbidden + ", maybe by the sysctl user.max_user_namespaces or a container's rules; run the demo as root")
}

// demoInside is the demo itself.
func demoInside(root bool) int {
	runtime.LockOSThread()
	os.Unsetenv(demoEnv)
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where firewall tools are
	if err := interfaceUp("lo"); err != nil {
		// Ubuntu makes the user namespace, but without any right in it.
		if errors.Is(err, unix.EPERM) {
			return fail(namespaceError(err, root))
		}
		return fail(fault.New("bring lo up", err))
	}
	ownFiles()
	d := &demoRun{firewall: findFirewall()}
	if err := d.run(); err != nil {
		if d.pid != 0 {
			unix.Kill(d.pid, unix.SIGKILL)
		}
		return fail(fault.New("demo", err))
	}
	return 0
}

// demoRun is one run of the demo.
type demoRun struct {
	firewall firewall
	pid      int // of the daemon
	log      int // its stderr
	rest     string
}

func (d *demoRun) run() error {
	text := "[options]\n[openSSH]\n  sequence      = 7000,9000,8000\n  seq_timeout   = 5\n  tcpflags      = syn\n" +
		"  start_command = " + d.firewall.start + "\n  cmd_timeout   = 2\n" +
		"  stop_command  = " + d.firewall.stop + "\n"
	heading("knockd.conf")
	os.Stdout.WriteString(text)
	heading("sesame -i lo -c knockd.conf")
	if err := d.start(text); err != nil {
		return err
	}
	if err := d.until("starting up"); err != nil {
		return err
	}
	d.show("the firewall before the knock")
	heading("knock 127.0.0.1 7000 9000 8000")
	for _, port := range []int{7000, 9000, 8000} {
		if err := knock([4]byte{127, 0, 0, 1}, port); err != nil {
			return err
		}
	}
	if err := d.until(d.firewall.opened); err != nil {
		return err
	}
	d.show("the firewall while the door is open")
	heading("the lease ends after 2 seconds")
	if err := d.until(d.firewall.shut); err != nil {
		return err
	}
	d.show("the firewall after the lease")
	return d.stop()
}

func heading(text string) { os.Stdout.WriteString("\n--- " + text + "\n") }

// show prints what the firewall says of the door.
func (d *demoRun) show(when string) {
	heading(when)
	if d.firewall.list == "" {
		os.Stdout.WriteString("(neither nft nor iptables works here: the log shows the commands that would run)\n")
		return
	}
	os.Stdout.WriteString("$ " + d.firewall.list + "\n")
	shell(d.firewall.list, os.Stdout)
}

// start runs the daemon on the text, which lives in memory only.
func (d *demoRun) start(text string) error {
	file, err := unix.MemfdCreate("knockd.conf", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(file)
	if _, err := unix.Write(file, []byte(text)); err != nil {
		return os.NewSyscallError("write", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[1])
	d.log = pipe[0]
	d.pid, err = syscall.ForkExec("/proc/self/exe", []string{"sesame", "-i", "lo", "-c", "/proc/self/fd/3"}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, uintptr(pipe[1]), uintptr(file)},
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	return err
}

// until prints the daemon's log until a line holds text.
func (d *demoRun) until(text string) error {
	end := time.Now().Add(demoTime)
	for {
		if line, rest, ok := strings.Cut(d.rest, "\n"); ok {
			d.rest = rest
			os.Stdout.WriteString(line + "\n")
			// A command is logged before its output: the echo in it is not it.
			if strings.Contains(line, text) && !strings.Contains(line, "running command") {
				return nil
			}
			continue
		}
		left := time.Until(end).Milliseconds()
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(d.log), Events: unix.POLLIN}}, int(max(left, 0)))
		if err == unix.EINTR {
			continue
		}
		if err != nil || ready == 0 {
			return errors.New("the daemon did not log " + strconv.Quote(text) + " in time")
		}
		var b [4096]byte
		n, err := unix.Read(d.log, b[:])
		if n <= 0 {
			return fault.New("the daemon ended before it logged "+strconv.Quote(text), errors.Join(err, os.ErrProcessDone))
		}
		d.rest += string(b[:n])
	}
}

// stop ends the daemon.
func (d *demoRun) stop() error {
	heading("kill -TERM " + strconv.Itoa(d.pid))
	if err := unix.Kill(d.pid, unix.SIGTERM); err != nil {
		return os.NewSyscallError("kill", err)
	}
	if err := d.until("shutting down"); err != nil {
		return err
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(d.pid, &ws, 0, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	if ws.ExitStatus() != 0 {
		return errors.New("the daemon's exit status is " + strconv.Itoa(ws.ExitStatus()))
	}
	return nil
}

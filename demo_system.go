package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// firewall is how the demo opens a door with one tool.
type firewall struct {
	setup, start, stop string
	list               string // shows the rules; "": there is no tool
	opened, shut       string // what start and stop print when they are done
}

// firewalls are tried in turn. Each gets a firewall that lets nothing new in.
var firewalls = []firewall{
	{
		setup: "nft add table inet sesame && nft add set inet sesame open '{ type ipv4_addr; }' && " +
			"nft add chain inet sesame input '{ type filter hook input priority 0; policy drop; }' && " +
			"nft add rule inet sesame input ip saddr @open tcp dport 22 accept",
		start:  "nft add element inet sesame open { %IP% } && echo rule added",
		stop:   "nft delete element inet sesame open { %IP% } && echo rule deleted",
		list:   "nft list table inet sesame",
		opened: "rule added", shut: "rule deleted",
	},
	{
		setup:  "iptables -P INPUT DROP",
		start:  "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && echo rule added",
		stop:   "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && echo rule deleted",
		list:   "iptables -S INPUT",
		opened: "rule added", shut: "rule deleted",
	},
}

// findFirewall sets up the first tool that works here. Without one, the
// commands are only printed.
func findFirewall() firewall {
	for _, f := range firewalls {
		if shell(f.setup, nil) {
			return f
		}
	}
	return firewall{
		start:  "echo would run: nft add element inet sesame open { %IP% }",
		stop:   "echo would run: nft delete element inet sesame open { %IP% }",
		opened: "would run: nft add", shut: "would run: nft delete",
	}
}

// shell runs a command to its end and reports whether it succeeded. Its output
// goes to out, or nowhere.
func shell(text string, out *os.File) bool {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer null.Close()
	if out == nil {
		out = null
	}
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", text}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return false
	}
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &ws, 0, nil); err != unix.EINTR {
			return err == nil && ws.Exited() && ws.ExitStatus() == 0
		}
	}
}

// interfaceUp does what ip(8) link set up does, for machines without it.
func interfaceUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return os.NewSyscallError("SIOCGIFFLAGS", err)
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	return os.NewSyscallError("SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
}

// knock sends the SYN of a TCP connection and gives the connection up.
func knock(addr [4]byte, port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrInet4{Addr: addr, Port: port}); err {
	case nil, unix.EINPROGRESS, unix.ECONNREFUSED:
		return nil
	default:
		return os.NewSyscallError("connect", err)
	}
}

// ownFiles lets the daemon of the demo write its files where nobody else sees
// them. Where that is forbidden it has none, and says so.
func ownFiles() {
	dir := "/tmp"
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("sesame", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	}
	if err != nil {
		dir = os.DevNull
	}
	os.Setenv("STATE_DIRECTORY", dir+"/state")
	os.Setenv("RUNTIME_DIRECTORY", dir+"/run")
}

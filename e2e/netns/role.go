package netns

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// roleEnv tells the binary that it was started as a helper, and as which.
const roleEnv = "SESAME_NETNS_ROLE"

// Main runs the helper program that this process was started as, and exits;
// in any other process it returns at once. The helpers are:
//
//	send                    sends each line of standard input (hex, from the
//	                        IP header on) to the gateway
//	inject LINK             the same on a link here, to all stations
//	tun NAME                makes a tun link, on which each line comes in
//	knock                   see Knocker
//	listen ADDR:PORT        accepts TCP connections and greets each
//	dial SRC ADDR:PORT T    connects from SRC within T and prints the greeting
//	syslog PATH             prints the datagrams that come to a unix socket
//	killat PID N            see Process.KillAt; not in a Space
func Main() {
	role := os.Getenv(roleEnv)
	if role == "" {
		return
	}
	if err := run(role, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// OwnFiles gives the daemons that this process starts directories in dir for
// their state and their sockets, and none of the machine's. Call it before the
// first is started.
func OwnFiles(dir string) error {
	for name, env := range map[string]string{"state": "STATE_DIRECTORY", "run": "RUNTIME_DIRECTORY"} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o777); err != nil { // whatever the umask: some run as other users
			return err
		}
		if err := os.Setenv(env, path); err != nil {
			return err
		}
	}
	return nil
}

func run(role string, args []string) error {
	want := map[string]int{"inject": 1, "tun": 1, "listen": 1, "dial": 3, "syslog": 1, "killat": 2}[role]
	if len(args) != want {
		return fmt.Errorf("%d arguments, want %d", len(args), want)
	}
	os.Unsetenv(roleEnv)
	switch role {
	case "holder":
		return holder()
	case "send":
		return send()
	case "barrage":
		return barrage()
	case "inject":
		return inject(args[0])
	case "tun":
		return tun(args[0])
	case "knock":
		return knock()
	case "listen":
		return listen(args[0])
	case "dial":
		return dial(args[0], args[1], args[2])
	case "syslog":
		return syslog(args[0])
	case "killat":
		return killAt(args[0], args[1])
	}
	return fmt.Errorf("no such helper")
}

// helper returns the command that starts this binary as a helper.
func helper(role string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	return cmd
}

// Greeting is what a listen helper says to each connection.
const Greeting = "hello"

func listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(c, Greeting)
		c.Close()
	}
}

func dial(src, addr, timeout string) error {
	limit, err := time.ParseDuration(timeout)
	if err != nil {
		return err
	}
	d := net.Dialer{Timeout: limit, LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(Deadline)); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("connected, but no greeting: %w", err)
	}
	fmt.Print(line)
	return nil
}

func syslog(path string) error {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return err
	}
	fmt.Println("bound")
	for b := make([]byte, 64<<10); ; {
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		fmt.Println(strings.TrimRight(string(b[:n]), "\n\x00"))
	}
}

// wire is a socket that sends finished IP packets to the gateway unchanged.
type wire struct {
	fd  int
	ifi int
	mac [8]byte
}

func openWire() (*wire, error) {
	lan, err := net.InterfaceByName(ClientIf)
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(gatewayMAC)
	if err != nil {
		return nil, err
	}
	w := &wire{ifi: lan.Index}
	copy(w.mac[:], mac)
	w.fd, err = syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	return w, nil
}

// to returns the link-layer destination for packet p, by its IP version.
func (w *wire) to(p []byte) *syscall.SockaddrLinklayer {
	proto := uint16(syscall.ETH_P_IP)
	if len(p) > 0 && p[0]>>4 == 6 {
		proto = syscall.ETH_P_IPV6
	}
	return &syscall.SockaddrLinklayer{
		Protocol: proto<<8 | proto>>8, Ifindex: w.ifi, Halen: 6, Addr: w.mac,
	}
}

func send() error {
	w, err := openWire()
	if err != nil {
		return err
	}
	return eachPacket(func(p []byte) error { return syscall.Sendto(w.fd, p, 0, w.to(p)) })
}

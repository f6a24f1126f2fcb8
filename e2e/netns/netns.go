// Package netns makes network namespaces for tests and benchmarks: a gateway
// and a client joined by a veth pair, with private mounts and process numbers,
// and helpers that run, watch and end programs inside of them.
//
// A namespace here has no name on disk. It lives as long as its holder, which
// is the test binary started again, and the holder dies with the test, also
// when that is killed; every process inside dies with the holder. Call Main
// first in TestMain: the same binary is started for the helpers too.
//
// Everything here needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and nsenter, ip and
// cp from the base system.
package netns

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The names and addresses of the pair that Pair makes.
const (
	GatewayIf   = "wan"
	ClientIf    = "lan"
	Gateway4    = "192.0.2.1"
	Client4     = "192.0.2.2" // Client4 to LastClient4 are the client's
	LastClient4 = "192.0.2.9"
	Gateway6    = "2001:db8::1"
	Client6     = "2001:db8::2"

	gatewayMAC = "02:00:00:00:00:01"
	clientMAC  = "02:00:00:00:00:02"
)

// Deadline is how long a helper waits for an event that should come at once.
// It only decides how late a failure is reported.
const Deadline = 15 * time.Second

// Space is a set of namespaces (network, mount, process numbers) and the
// process that keeps it alive. Its methods may be used concurrently.
type Space struct {
	holder *exec.Cmd
	stdin  io.Closer
	pid    int // the holder's, as seen by the caller
}

// New makes a Space in which only the loopback interface exists, and that is up.
func New() (*Space, error) {
	cmd := helper("holder")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the namespace's holder: %w", err)
	}
	s := &Space{holder: cmd, stdin: in, pid: cmd.Process.Pid}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.Close()
		return nil, fmt.Errorf("set up the namespace: holder said %q: %w", line, err)
	}
	if err := s.Run("ip", "link", "set", "lo", "up"); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the holder and with it every process inside, and waits for that.
func (s *Space) Close() error {
	s.stdin.Close()
	s.holder.Process.Kill()
	err := s.holder.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil // it was killed, as intended
	}
	return err
}

// Command returns a command that runs inside, from the root directory. The
// process that it starts is nsenter; Start finds the one below it.
func (s *Space) Command(name string, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(s.pid), "-n", "-m", "-p", "--", name}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Output runs a command inside and returns its standard output and error.
func (s *Space) Output(name string, args ...string) (string, error) {
	out, err := s.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Run runs a command inside. The error holds what it printed.
func (s *Space) Run(name string, args ...string) error {
	_, err := s.Output(name, args...)
	return err
}

// Helper returns a command that runs one of this package's helper programs
// inside; see Main.
func (s *Space) Helper(role string, args ...string) *exec.Cmd {
	h := helper(role, args...)
	cmd := s.Command(h.Path, args...)
	cmd.Env = h.Env
	return cmd
}

// Processes returns the processes inside, as seen by the caller, without the
// holder, each with its command line. Zombies are left out.
func (s *Space) Processes() (map[int]string, error) {
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", s.pid))
	if err != nil {
		return nil, err
	}
	found := make(map[int]string)
	for _, pid := range pids() {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		if err != nil || ns != want || pid == s.pid {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && len(line) > 0 {
			found[pid] = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found, nil
}

// Pair makes a gateway and a client joined by a veth pair, with the addresses
// above. Neighbours are fixed, so that a firewall on the gateway that drops
// everything does not stop packets from being sent.
func Pair() (gateway, client *Space, err error) {
	if gateway, err = New(); err != nil {
		return nil, nil, err
	}
	if client, err = New(); err != nil {
		gateway.Close()
		return nil, nil, err
	}
	if err = join(gateway, client); err != nil {
		gateway.Close()
		client.Close()
		return nil, nil, err
	}
	return gateway, client, nil
}

func join(gateway, client *Space) error {
	// In the caller's process numbers, because the peer is named by one.
	link := exec.Command("nsenter", "-t", strconv.Itoa(gateway.pid), "-n", "--",
		"ip", "link", "add", GatewayIf, "address", gatewayMAC, "type", "veth",
		"peer", "name", ClientIf, "address", clientMAC, "netns", strconv.Itoa(client.pid))
	if out, err := link.CombinedOutput(); err != nil {
		return fmt.Errorf("make the veth pair: %w: %s", err, out)
	}
	if err := gateway.batch(
		"link set "+GatewayIf+" addrgenmode none", // no router is asked for
		"addr add "+Gateway4+"/24 dev "+GatewayIf,
		"addr add "+Gateway6+"/64 dev "+GatewayIf+" nodad",
		"link set "+GatewayIf+" up",
		"neigh replace "+Client6+" lladdr "+clientMAC+" dev "+GatewayIf+" nud permanent",
	); err != nil {
		return err
	}
	lines := []string{"link set " + ClientIf + " addrgenmode none", "link set " + ClientIf + " up"}
	for last := 2; last <= 9; last++ {
		addr := "192.0.2." + strconv.Itoa(last)
		lines = append(lines, "addr add "+addr+"/24 dev "+ClientIf)
		n := "neigh replace " + addr + " lladdr " + clientMAC + " dev " + GatewayIf + " nud permanent"
		if err := gateway.batch(n); err != nil {
			return err
		}
	}
	lines = append(lines,
		"addr add "+Client6+"/64 dev "+ClientIf+" nodad",
		"neigh replace "+Gateway4+" lladdr "+gatewayMAC+" dev "+ClientIf+" nud permanent",
		"neigh replace "+Gateway6+" lladdr "+gatewayMAC+" dev "+ClientIf+" nud permanent")
	if err := client.batch(lines...); err != nil {
		return err
	}
	if err := client.awaitCarrier(ClientIf); err != nil {
		return err
	}
	return gateway.awaitCarrier(GatewayIf)
}

// batch gives lines to one ip process.
func (s *Space) batch(lines ...string) error {
	cmd := s.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip -batch: %w: %s", err, out)
	}
	return nil
}

// awaitCarrier returns when the link is in use: until then the kernel throws
// away what is sent.
func (s *Space) awaitCarrier(link string) error {
	var out string
	var err error
	for end := time.Now().Add(Deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if out, err = s.Output("ip", "link", "show", link); err != nil || strings.Contains(out, "state UP") {
			return err
		}
	}
	return fmt.Errorf("link %s did not come up: %s", link, out)
}

// pids returns the processes that /proc shows.
func pids() []int {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var list []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

package knock_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

const (
	gateway  = netns.Gateway4
	gateway6 = netns.Gateway6
	client   = netns.Client4
	client6  = netns.Client6
)

// hosts are the names that the client knows.
const hosts = "127.0.0.1 localhost\n" +
	gateway + " gw.example dual.example\n" +
	gateway6 + " gw6.example dual.example\n" +
	"198.51.100.1 far.example\n"

// lab is a gateway and a client for one test.
type lab struct {
	t      testing.TB
	gw, cl *netns.Space
	dir    string // open to every user
}

// newLab makes the namespaces; nothing of them is left when the test is over.
func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		suite.Skip(t, "needs root for network namespaces")
	}
	suite.Need(t, "ip", "nsenter", "setpriv", "mount")
	gw, cl, err := netns.Pair()
	if suite.Denied(err) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cl.Close(), gw.Close()); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "sesame-knock-lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := &lab{t, gw, cl, dir}
	l.ip(cl, "mount", "--bind", l.file("hosts", hosts), "/etc/hosts")
	// Nobody listens there, so an unknown name fails at once.
	l.ip(cl, "mount", "--bind", l.file("resolv.conf", "nameserver 127.0.0.1\n"), "/etc/resolv.conf")
	return l
}

// ip runs a command that sets a namespace up.
func (l *lab) ip(s *netns.Space, name string, args ...string) {
	l.t.Helper()
	if err := s.Run(name, args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) file(name, text string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// result is what a run of a client left.
type result struct {
	stdout, stderr string
	code           int
}

// as returns a command of the client's that runs without any right, and finds
// its profiles in the lab's folder.
func (l *lab) as(name string, args ...string) *exec.Cmd {
	cmd := l.cl.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--no-new-privs", name}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+l.dir, "HOME="+l.dir)
	return cmd
}

func (l *lab) run(name string, args ...string) result {
	l.t.Helper()
	cmd := l.as(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// knock runs the client, which has to succeed and say nothing but to a -v.
func (l *lab) knock(args ...string) {
	l.t.Helper()
	if r := l.run(clientPath, args...); r.code != 0 || r.stderr != "" {
		l.t.Fatalf("knock %s: status %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
}

// process is a program in a namespace whose output a test waits for.
type process struct {
	*netns.Process
	t testing.TB
}

// spawn starts a program that is ended with the test.
func (l *lab) spawn(cmd *exec.Cmd) *process {
	l.t.Helper()
	p, err := netns.Start(cmd)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.Kill)
	return &process{p, l.t}
}

// has matches the lines that contain text.
func has(text string) func(string) bool {
	return func(line string) bool { return strings.Contains(line, text) }
}

// wait returns when n lines contain text.
func (p *process) wait(text string, n int) {
	p.t.Helper()
	if err := p.Wait(text, has(text), n, netns.Deadline); err != nil {
		p.t.Fatal(err)
	}
}

// listen accepts connections on a port of the gateway.
func (l *lab) listen(addr string) {
	l.t.Helper()
	l.spawn(l.gw.Helper("listen", addr)).wait("listening", 1)
}

// daemon starts sesame or knockd on the gateway with a configuration of doors.
func (l *lab) daemon(name, doors string) *process {
	l.t.Helper()
	path, options := daemonPath, ""
	if name == "knockd" {
		suite.Need(l.t, "knockd")
		path, options = "knockd", "logfile = /dev/stdout"
	}
	config := l.file(name+".conf", "[options]\n"+options+"\n"+doors)
	p := l.spawn(l.gw.Command(path, "-i", netns.GatewayIf, "-c", config))
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s printed:\n%s", name, strings.Join(p.Lines(), "\n"))
		}
		if !p.Exited() {
			_ = p.Signal(syscall.SIGTERM) // Kill follows
			_, _ = p.Exit(netns.Deadline)
		}
	})
	p.wait("starting up, listening on "+netns.GatewayIf, 1)
	return p
}

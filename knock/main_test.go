package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain is knock itself when a test starts this binary as that.
func TestMain(m *testing.M) {
	if os.Getenv("KNOCK_TEST_RUN") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// command returns a command that runs knock.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "KNOCK_TEST_RUN=1", "XDG_CONFIG_HOME="+t.TempDir())
	return cmd
}

func addrs(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func TestResolve(t *testing.T) {
	names := map[string][]netip.Addr{
		"many":   addrs("224.0.0.1", "127.0.0.2", "127.0.0.3"),
		"mapped": addrs("::ffff:127.0.0.4"),
		"none":   nil,
		"group":  addrs("224.0.0.1", "ff02::1"),
	}
	lookup := func(_ context.Context, name string) ([]netip.Addr, error) {
		if list, ok := names[name]; ok {
			return list, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name}
	}
	for _, test := range []struct{ args, want string }{
		{"many 1", "127.0.0.2"}, // the first to which there is a way
		{"-4 many 1", "127.0.0.2"},
		{"mapped 1", "127.0.0.4"},
		{"::ffff:127.0.0.5 1", "127.0.0.5"},
		{"--both many 1", "127.0.0.2; many: has no IPv6 address; knocking over the other family only"},
		{"-6 many 1", "many: has no IPv6 address"},
		{"none 1", "none: has no address"},
		{"--both none 1", "none: has no IPv4 address"},
		{"group 1", "group (224.0.0.1): is the address of many hosts; give that of one"},
		{"255.255.255.255 1", "255.255.255.255: is the address of many hosts; give that of one"},
		{"unknown 1", "unknown: the name has no address: no such host"},
		{"--interface nosuch0 127.0.0.1 1", `--interface: there is no interface "nosuch0"`},
		{"fe80::1 1", "fe80::1: this address needs an interface; write fe80::1%NAME or give --interface"},
	} {
		r, err := parseArgs(words(test.args))
		if err != nil {
			t.Fatal(err)
		}
		s, err := assemble(r, find)
		if err != nil {
			t.Fatal(err)
		}
		p, err := resolve(t.Context(), s, lookup)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			for _, target := range p.targets {
				got += target.addr.String()
			}
			got = strings.Join(append([]string{got}, p.notes...), "; ")
		}
		if got != test.want {
			t.Errorf("%s: %s; want %s", test.args, got, test.want)
		}
	}
}

func TestPackets(t *testing.T) {
	p := plan{targets: []target{{addr: netip.MustParseAddr("192.0.2.1")}, {addr: netip.MustParseAddr("2001:db8::1")}}, hits: []hit{{7, false}, {9, true}, {7, false}}}
	got := ""
	for _, k := range p.packets() {
		got += k.addr.String() + " " + sequenceText([]hit{k.hit}) + " "
		if k.first != strings.HasSuffix(got, "1 7 ") && k.first {
			t.Errorf("%+v is marked as the first", k)
		}
	}
	if got != "192.0.2.1 7 192.0.2.1 9:udp 192.0.2.1 7 2001:db8::1 7 2001:db8::1 9:udp 2001:db8::1 7 " {
		t.Error(got)
	}
}

// TestSend knocks on loopback: at ports that listen and at one that does not.
func TestSend(t *testing.T) {
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	to := target{addr: netip.MustParseAddr("127.0.0.1"), path: path{source: netip.MustParseAddr("127.0.0.6")}}
	udp := u.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	for _, h := range []hit{{udp, true}, {port(l), false}, {port(free), false}, {udp, true}} {
		if err := send(packet{to, h, false}); err != nil {
			t.Errorf("%+v: %v", h, err)
		}
	}
	for range 2 {
		b := make([]byte, 10)
		if err := u.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, from, err := u.ReadFrom(b)
		if err != nil || n != 0 || !strings.HasPrefix(from.String(), "127.0.0.6:") {
			t.Errorf("%d bytes from %v: %v, want an empty datagram from 127.0.0.6", n, from, err)
		}
	}
}

// TestPauseAfterTheLast ends a knock in the pause after its last packet, which
// is there unless the port of --wait is tried at once.
func TestPauseAfterTheLast(t *testing.T) {
	for wait, want := range map[uint16]error{0: context.Canceled, 22: nil} {
		ctx, cancel := context.WithCancel(t.Context())
		p := plan{targets: []target{{addr: netip.MustParseAddr("127.0.0.1")}}, hits: []hit{{1, true}}, delay: time.Hour, wait: wait}
		if err := p.knock(ctx, func(int, packet) { cancel() }); !errors.Is(err, want) {
			t.Errorf("wait %d: %v, want %v", wait, err, want)
		}
	}
}

func port(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

// TestWatch waits for ports that are open, that open late and that stay shut.
func TestWatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := []target{{addr: netip.MustParseAddr("127.0.0.1")}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := watch(ctx, to, port(l)); err != nil {
		t.Error("open:", err)
	}
	addr, at := l.Addr().String(), port(l)
	l.Close()
	done := make(chan error)
	go func() { done <- watch(ctx, to, at) }()
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error("late:", err)
	}
	again.Close()
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := watch(short, to, at); err == nil {
		t.Error("a port on which nobody listens is open")
	}
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
	}{{nil, 0}, {errors.New("x"), 1}, {usagef("x"), 2}, {errNotOpen{errors.New("x")}, 4}} {
		var out bytes.Buffer
		if code := finish(test.err, &out); code != test.code || (test.err != nil) != (strings.Count(out.String(), "\n") == 1) {
			t.Errorf("%v: status %d, %q", test.err, code, out.String())
		}
	}
}

// TestNoProgressInAPipe runs the whole program; on a terminal see
// TestProgressOnATerminal.
func TestNoProgressInAPipe(t *testing.T) {
	cmd := command(t, "-d", "0", "127.0.0.1", "1", "2", "3")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v, printed %q", err, out)
	}
	cmd = command(t, "-v", "-d", "0", "127.0.0.1", "1:udp", "2")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "hitting udp 127.0.0.1:1\nhitting tcp 127.0.0.1:2\n" {
		t.Errorf("%v, printed %q", err, out)
	}
}

func TestSSHConfig(t *testing.T) {
	list, err := parseProfiles("[home]\nhost=gw.example\nsequence=1\n[web]\nhost=2001:db8::1\nsequence=1\nwait=443\n[a b]\nhost=h\nsequence=1\n[z]\nhost=fe80::1%lan\nsequence=1\n", "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		profile int
		self    string
		windows bool
		want    string
	}{
		{0, "/usr/bin/knock", false, `exec "/usr/bin/knock -q --wait %p home"`},
		{0, "/opt/my tools/100%/knock", false, `exec "'/opt/my tools/100%%/knock' -q --wait %p home"`},
		{0, `C:\Tools\knock.exe`, true, `exec "C:\Tools\knock.exe -q --wait %p home"`},
		{0, `C:\Program Files\knock.exe`, true, `exec "\"C:\Program Files\knock.exe\" -q --wait %p home"`},
		{0, "/opt/it's/knock", false, "the path of this program cannot be written"},
		{1, "/usr/bin/knock", false, "HostName 2001:db8::1\nMatch host 2001:db8::1 exec \"/usr/bin/knock -q web\"\nMatch all\n"},
		{2, "/usr/bin/knock", false, `profile "a b": ssh cannot have a host of this name`},
		{3, "/usr/bin/knock", false, `f:12: host: ssh's Match knows no zone such as "%lan"`},
	} {
		got, err := sshConfig(list[test.profile], test.self, test.windows)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s: %s; want %s", test.self, got, test.want)
		}
	}
}

// TestImports holds the program to the standard library and golang.org/x/sys.
func TestImports(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range strings.Fields(string(out)) {
			if module != "sesame" && module != "golang.org/x/sys" {
				t.Errorf("for %s it needs %s", system, module)
			}
		}
	}
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

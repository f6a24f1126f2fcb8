package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
)

// Detached, the parent returns when the daemon listens and the pidfile is
// there; the daemon removes it when it exits.
func TestDetach(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	pidfile, log := filepath.Join(l.dir, "pid"), filepath.Join(l.dir, "log")
	l.file("knockd.conf", "[options]\n\tlogfile = "+log+sentinel)
	config := "knockd.conf"
	if testsKnockd() {
		config = filepath.Join(l.dir, config) // it does not find it again on HUP
	}
	cmd := l.gw.Command("sh", "-c", `cd "$0" && exec "$@"`, l.dir,
		d.path, "-d", "-i", netns.GatewayIf, "-c", config, "-p", pidfile)
	if code, out := finish(t, cmd); code != 0 {
		t.Fatalf("exit status %d: %s", code, out)
	}
	var pid string
	eventually(t, "the pidfile", func() bool { // knockd writes it late
		b, err := os.ReadFile(pidfile)
		pid = strings.TrimSpace(string(b))
		return err == nil && pid != ""
	})
	logged := func(text string) {
		t.Helper()
		eventually(t, text, func() bool {
			b, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(b), text)
		})
	}
	logged("starting up, listening on wan")
	if name := l.run("cat", "/proc/"+pid+"/comm"); !strings.HasPrefix(filepath.Base(d.path), strings.TrimSpace(name)) {
		t.Errorf("the process is listed as %s", name)
	}
	l.run("kill", "-HUP", pid)
	logged("re-reading config file")
	l.knock(gateway, "50111", "40222")
	logged("sentinel: OPEN SESAME")
	l.run("kill", "-TERM", pid)
	logged("shutting down")
	eventually(t, "the daemon's end", func() bool { return len(l.strays()) == 0 })
	if _, err := os.Stat(pidfile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pidfile is left: %v", err)
	}
}

// A start that fails must fail before the parent returns, for scripts that test
// its exit status.
func TestDetachFails(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	good := l.file("good.conf", sentinel)
	var require []string
	if !testsKnockd() {
		require = []string{"--require-interface"}
	}
	bad := l.file("bad.conf", "[a]\n\tsequence = 7000,eight\n\tcommand =\n\tsequenze = 1\n")
	for name, tt := range map[string]struct {
		args []string
		want string
		mend string
	}{
		"missing interface": {append([]string{"-i", "nowhere", "-c", good}, require...), "nowhere", ""},
		"missing file":      {[]string{"-i", netns.GatewayIf, "-c", filepath.Join(l.dir, "none.conf")}, "none.conf", ""},
		"bad file":          {[]string{"-i", netns.GatewayIf, "-c", bad}, bad + ":2: sequence: ", "it takes eight for port 0"},
		"log file":          {[]string{"-i", netns.GatewayIf, "-c", good, "-g", l.dir}, l.dir, "it only warns"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.mend != "" {
				sesameOnly(t, tt.mend)
			}
			pidfile := filepath.Join(l.dir, "pid")
			code, out := finish(t, l.gw.Command(d.path, append([]string{"-d", "-p", pidfile}, tt.args...)...))
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("exit status %d, want 1 and %q: %s", code, tt.want, out)
			}
			if _, err := os.Stat(pidfile); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a pidfile is left: %v", err)
			}
			eventually(t, "all processes to end", func() bool { return len(l.strays()) == 0 })
		})
	}
}

// With --require-interface an interface that goes ends the daemon with an exit
// status that a supervisor acts on, and with its doors shut; one that is only
// down is waited for.
func TestRequiredInterfaceGoes(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it exits 0 and leaves its doors open")
	l := newLab(t)
	shut := filepath.Join(l.dir, "shut")
	under := underTest(t)
	d := l.launch(under, "--require-interface", "-i", netns.GatewayIf, "-c", l.config(under, `
[door]
	sequence = 7000,9000,8000
	tcpflags = syn
	start_command = echo open
	cmd_timeout = 600
	stop_command = echo %IP% > `+shut+`
`))
	d.wait("starting up, listening on wan")
	l.run("ip", "link", "set", netns.GatewayIf, "down")
	d.wait("wan is down")
	l.run("ip", "link", "set", netns.GatewayIf, "up")
	d.wait("wan is up again")
	eventually(t, "the door to open", func() bool {
		l.send(syns(client, 7000, 9000, 8000)...)
		return d.Count(output("open")) > 0
	})
	l.run("ip", "link", "del", netns.GatewayIf)
	d.wait("wan is gone")
	if code := d.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if got, err := os.ReadFile(shut); string(got) != client+"\n" {
		t.Errorf("the door was not shut: %q, %v", got, err)
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.start(`
[wake]
	sequence = 22
	target = 203.0.113.50
	tcpflags = syn
	command = echo wake %IP%
[mine]
	sequence = 22
	tcpflags = syn
`)
	l.send(netns.TCP(client, "203.0.113.51", 22, 2), netns.TCP(client, "203.0.113.50", 22, 2), netns.TCP(client, gateway, 22, 2))
	l.settle(d)
	d.want(": wake: OPEN SESAME", 1)
	d.want(": mine: OPEN SESAME", 1)
	d.hear("wake " + client)
}

// A target may be a network, of IPv4 and of IPv6.
func TestTargetNetwork(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "a target is one address")
	l := newLab(t)
	d := l.start(`
[four]
	sequence = 22:udp
	target = 203.0.113.0/28
[six]
	sequence = 22:udp
	target = 2001:db8:1::/61
`)
	const client6 = netns.Client6
	for _, dst := range []string{"203.0.113.16", "203.0.113.15", gateway, "203.0.113.1"} {
		l.send(netns.UDP(client, dst, 22))
	}
	for _, dst := range []string{"2001:db8:1:8::1", netns.Gateway6, "2001:db8:1:7::1"} {
		l.send(netns.UDP(client6, dst, 22))
	}
	l.settle(d)
	d.want(": four: OPEN SESAME", 1)
	d.want(client6+": six: OPEN SESAME", 1)
}

// IPv6 is not heard with -4 and with the key for it.
func TestOnlyIPv4(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no such key")
	l := newLab(t)
	for _, yes := range []bool{true, false} {
		options := map[bool]string{true: "only_ipv4 = yes\n", false: "only_ipv4 = no\n"}[yes]
		conf := l.file("conf", "[options]\n"+options+"[heard]\n\tsequence = 7007:udp\n"+sentinel)
		d := l.launch(underTest(t), "-i", netns.GatewayIf, "-c", conf)
		d.wait("starting up, listening on wan")
		l.send(netns.UDP(netns.Client6, netns.Gateway6, 7007), netns.UDP(client, gateway, 7007))
		l.settle(d)
		d.want(client+": heard: OPEN SESAME", 1)
		d.want(netns.Client6+": heard: OPEN SESAME", map[bool]int{false: 1}[yes])
		// A reload takes it up.
		l.file("conf", "[options]\n"+map[bool]string{true: "only_ipv4 = no\n", false: "only_ipv4 = yes\n"}[yes]+"[heard]\n\tsequence = 7007:udp\n[new]\n\tsequence = 7008:udp\n"+sentinel)
		if err := d.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the reload", func() bool {
			l.send(netns.UDP(client, gateway, 7008))
			return d.Count(has("new: OPEN SESAME")) > 0
		})
		l.send(netns.UDP(netns.Client6, netns.Gateway6, 7007))
		l.settle(d)
		d.want(netns.Client6+": heard: OPEN SESAME", 1)
		l.stop(d)
	}
}

func TestOneTimeSequences(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "a freed sequence is freed again when the file ends")
	l := newLab(t)
	file := l.file("sequences", " 7000,9000\n 8000,6000:udp\n")
	d := l.start("[once]\n\tone_time_sequences = " + file + "\n")
	l.knock(gateway, "7000", "9000")
	d.wait("once: OPEN SESAME")
	l.knock(gateway, "7000", "9000")
	l.knock(gateway, "8000", "6000:udp")
	d.wait("no sequence left")
	l.knock(gateway, "8000", "6000:udp")
	l.settle(d)
	d.want("once: OPEN SESAME", 2)
	if got, err := os.ReadFile(file); string(got) != "#7000,9000\n#8000,6000:udp\n" {
		t.Errorf("the file is %q, %v", got, err)
	}
}

// An address that the gateway gets while the daemon runs is one of its own.
func TestNewAddressIsHeard(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it knows the addresses that it found at the start")
	l := newLab(t)
	d := l.start("")
	l.run("ip", "addr", "add", "192.0.2.77/24", "dev", netns.GatewayIf)
	eventually(t, "a knock at the new address to count", func() bool {
		l.send(netns.TCP(client, "192.0.2.77", 50111, 2), netns.TCP(client, "192.0.2.77", 40222, 2))
		return d.Count(has("sentinel: OPEN SESAME")) > 0
	})
}

// A reload takes the daemon to another interface.
func TestHupChangesInterface(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it listens where it began")
	l := newLab(t)
	config := func(iface string) string {
		return l.file("knockd.conf", "[options]\n\tinterface = "+iface+sentinel)
	}
	d := l.launch(underTest(t), "-c", config("lo"))
	d.wait("starting up, listening on lo")
	config(netns.GatewayIf)
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("no longer listening on lo")
	d.wait("listening on wan")
	l.settle(d)
	config("nowhere[0]")
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("is not a pattern of names")
	d.wait("the configuration in force stays")
	l.settle(d)
	config("nowhere")
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("waiting for nowhere")
	l.run("ip", "link", "set", netns.GatewayIf, "name", "nowhere")
	d.wait("listening on nowhere")
}

// TestHupToDefaultInterface goes over to eth0 when the file names no interface
// any more.
func TestHupToDefaultInterface(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it listens where it began")
	l := newLab(t)
	l.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
	conf := l.file("knockd.conf", "[options]\n\tinterface = "+netns.GatewayIf+sentinel)
	d := l.launch(underTest(t), "-c", conf)
	d.wait("starting up, listening on " + netns.GatewayIf)
	l.file("knockd.conf", sentinel)
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("no longer listening on " + netns.GatewayIf)
	d.wait("listening on eth0")
}

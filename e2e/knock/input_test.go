package knock_test

import (
	"strings"
	"testing"

	"sesame/e2e/suite"
)

const profiles = `# the knocks of this machine
[home]
	host     = gw.example
	sequence = 7000, 8000:udp ,9000
	delay    = 1

[v6]
	Host     = dual.example
	Sequence = 7001
	family   = 6
`

// TestBadInput looks for one line that says what and where, for the exit
// status, and for a wire on which nothing was sent.
func TestBadInput(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.file("sesame/knock.conf", profiles)
	wire := l.tap()
	bad := func(text string) string { return l.dir + "/" + text }
	for _, test := range []struct {
		args    string
		profile string // instead of the lab's
		code    int
		says    string
	}{
		{gateway + " 7000 65536", "", 1, `"65536" is not a port`},
		{gateway + " 7000 0", "", 1, `"0" is not a port`},
		{gateway + " 7000 -1", "", 2, `unknown option "-1"`},
		{gateway + " 7000 ssh", "", 1, `"ssh" is not a port`},
		{gateway + " 7000 8000:icmp", "", 1, `"icmp" is not a protocol of port 8000`},
		{gateway + " 7000 8000:", "", 1, `"" is not a protocol of port 8000`},
		{"nosuch.example 7000", "", 1, "nosuch.example: the name has no address: "},
		{"192.0.2.1.1. 7000", "", 1, "192.0.2.1.1.: the name has no address: "},
		{"gw/example 7000", "", 1, `host: "gw/example" is neither an address nor a name`},
		{"203.0.113.1 7000", "", 1, "203.0.113.1: no route: network is unreachable"},
		{"far.example 7000", "", 1, "far.example (198.51.100.1): no route: network is unreachable"},
		{"--both far.example 7000", "", 1, "far.example (198.51.100.1): no route: network is unreachable"},
		{"-6 gw.example 7000", "", 1, "gw.example: has no IPv6 address"},
		{"-4 " + gateway6 + " 7000", "", 1, gateway6 + ": has no IPv4 address"},
		{"fe80::1 7000", "", 1, "fe80::1: this address needs an interface"},
		{"fe80::1%nosuch 7000", "", 1, `there is no interface "nosuch"`},
		{"224.0.0.1 7000", "", 1, "224.0.0.1: is the address of many hosts"},
		{"192.0.2.255 7000", "", 1, "192.0.2.255: no route: "},
		{"--source 192.0.2.99 " + gateway + " 7000", "", 1, gateway + ": send from 192.0.2.99: "},
		{"--source host " + gateway + " 7000", "", 1, `--source: "host" is not an address`},
		{"--source 192.0.2.2 " + gateway6 + " 7000", "", 1, gateway6 + ": has no IPv4 address"},
		{"--source 192.0.2.2 -6 dual.example 7000", "", 1, "--source: 192.0.2.2 is of the other family than -6 asks for"},
		{"--source 192.0.2.2 --both dual.example 7000", "", 1, "--source: one address cannot send both"},
		{"--interface nosuch " + gateway + " 7000", "", 1, `--interface: there is no interface "nosuch"`},
		{"-d ten " + gateway + " 7000", "", 1, `-d: "ten" is out of range or no number`},
		{"--delay=-1 " + gateway + " 7000", "", 1, `--delay: "-1" is out of range or no number`},
		{"--wait 0 " + gateway + " 7000", "", 1, `--wait: "0" is not a port`},
		{"--wait 22 --timeout 0 " + gateway + " 7000", "", 1, `--timeout: "0" is out of range`},
		{"--timeout 5 " + gateway + " 7000", "", 1, "--timeout: only counts with --wait"},
		{"", "", 2, "no host: give a host and its ports"},
		{"-z " + gateway + " 7000", "", 2, `unknown option "-z"`},
		{"--nosuch " + gateway + " 7000", "", 2, `unknown option "--nosuch"`},
		{"--v", "", 2, "option --v may be --verbose or --version"},
		{gateway + " 7000 -d", "", 2, "option -d wants a value: MS"},
		{"--both=yes " + gateway + " 7000", "", 2, "option --both takes no value"},
		{"--list home", "", 2, "--list and --ssh-config stand alone"},
		{"work", "", 1, `"work": no ports, and no profile of this name in ` + bad("sesame/knock.conf")},
		{gateway, "", 1, `"` + gateway + `": no ports, and no profile of this name in `},
		{"home", "[home]\n", 1, bad(`sesame/knock.conf:1: host: profile "home" has none`)},
		{"home", "[home]\nhost=gw.example\n", 1, bad(`sesame/knock.conf:1: sequence: profile "home" has none`)},
		{"home", "\n[home]\nhost=\nsequence=1", 1, bad("sesame/knock.conf:3: host: has no value; give a name or an address")},
		{"home", "[home]\nhost=gw.example\nsequence=7000,x", 1, bad(`sesame/knock.conf:3: sequence: "x" is not a port`)},
		{"home", "[home]\nhost=nosuch.example\nsequence=7000", 1, bad("sesame/knock.conf:2: host (nosuch.example): the name has no address: ")},
		{"home", "[home]\nhost=far.example\nsequence=7000", 1, bad("sesame/knock.conf:2: host (far.example, 198.51.100.1): no route: ")},
		{"--list", "# empty\n", 1, bad("sesame/knock.conf: there is no profile in it")},
		{"--ssh-config work", "", 1, `"work": no ports, and no profile of this name in `},
	} {
		text := profiles
		if test.profile != "" {
			text = test.profile
		}
		l.file("sesame/knock.conf", text)
		r := l.run(clientPath, strings.Fields(test.args)...)
		if r.code != test.code || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "knock: ") || !strings.Contains(r.stderr, test.says) {
			t.Errorf("knock %s: status %d, printed %q %q; want %d and one line: %s", test.args, r.code, r.stdout, r.stderr, test.code, test.says)
		}
	}
	want(t, wire.packets(), client)
}

// TestProfile knocks by profile, lists profiles, and lets options win.
func TestProfile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	r := l.run(clientPath, "--list")
	if r.code != 1 || !strings.Contains(r.stderr, "sesame/knock.conf: no such file or directory") {
		t.Errorf("--list without a file: status %d: %q", r.code, r.stderr)
	}
	l.file("sesame/knock.conf", profiles)
	l.knock("home")
	want(t, wire.packets(), client, "7000", "8000:udp", "9000")
	l.knock("v6")
	want(t, wire.packets(), client6, "7001")
	l.knock("-4", "-u", "v6")
	want(t, wire.packets(), client, "7001:udp")
	r = l.run(clientPath, "--list")
	if r.code != 0 || r.stdout != "home  gw.example    7000,8000:udp,9000  delay=1\nv6    dual.example  7001                family=6\n" {
		t.Errorf("--list: status %d: %q %q", r.code, r.stdout, r.stderr)
	}
	want(t, wire.packets(), client)
}

// TestLikeKnockd runs Debian's client and this one with the same arguments.
func TestLikeKnockd(t *testing.T) {
	t.Parallel()
	suite.Need(t, "knock")
	l := newLab(t)
	wire := l.tap()
	for _, test := range []struct {
		args string
		code int // of this client; -1: knockd's
	}{
		{"-v " + gateway + " 7000 8000:udp 9000:tcp", -1},
		{"-v -d 1 " + gateway6 + " 7000 8000:udp", -1},
		{"-v -u " + gateway + " 7000 80:tcp", -1},
		{"-uvd1 " + gateway + " 7000", -1},
		{"-v -4 dual.example 7000", -1},
		{"-v -6 dual.example 7000", -1},
		{"-v -6 -4 dual.example 7000", -1},
		{gateway + " 7000 -v --delay 1", -1},
		{"--verbose --udp --delay=0 --ipv4 gw.example 7000", -1},
		{"--verb --ud -- gw.example 7000", -1},
		{gateway + " 7000", -1},
		{"nosuch.example 7000", -1},
		{"-6 gw.example 7000", -1},
		{"-d -1 " + gateway + " 7000", -1},
		{gateway, -1},
		{"-z", 2},
		{"", 2},
	} {
		args := strings.Fields(test.args)
		theirs := l.run("knock", args...)
		before := wire.packets()
		ours := l.run(clientPath, args...)
		code := test.code
		if code < 0 {
			code = theirs.code
		}
		if ours.code != code || theirs.code == 0 && ours.stdout != theirs.stdout {
			t.Errorf("knock %s: status %d, printed\n%s%s\nwant status %d as from knockd's client, and\n%s", test.args, ours.code, ours.stdout, ours.stderr, code, theirs.stdout)
		}
		for i, line := range before { // its datagrams hold a byte
			if f := strings.Fields(line); f[1] == "udp" {
				before[i] = strings.Join(f[:3], " ") + " 0"
			}
		}
		if after := wire.packets(); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Errorf("knock %s sent\n%s\nand knockd's client\n%s", test.args, strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
	}
	for _, test := range [][2]string{{"-V", "knock "}, {"-h", "usage: knock "}} {
		if r := l.run(clientPath, test[0]); r.code != 0 || !strings.HasPrefix(r.stdout, test[1]) || r.stderr != "" {
			t.Errorf("knock %s: status %d: %q %q", test[0], r.code, r.stdout, r.stderr)
		}
	}
}

// TestSSH puts the printed block into ssh's configuration and connects.
func TestSSH(t *testing.T) {
	t.Parallel()
	suite.Need(t, "ssh")
	l := newLab(t)
	l.shut()
	l.listen(gateway + ":22")
	l.sshDoor("sesame", "")
	l.file("sesame/knock.conf", "[home]\nhost=gw.example\nsequence=7000,9000:udp,8000\n[plain]\nhost=gw.example\nsequence=1\nwait=2222\ntimeout=1\n")
	block := l.run(clientPath, "--ssh-config", "home")
	if block.code != 0 {
		t.Fatal(block.stderr)
	}
	wire := l.tap()
	config := l.file("ssh_config", block.stdout+"User somebody\nConnectTimeout 20\n")
	r := l.run("env", "SHELL=/bin/sh", "ssh", "-v", "-F", config, "home")
	if !strings.Contains(r.stderr, "Connection established.") {
		t.Errorf("ssh home: %s", r.stderr)
	}
	got := wire.packets()
	if len(got) < 4 {
		t.Fatalf("ssh did not knock: %q; the block is\n%s", got, block.stdout)
	}
	want(t, got[:3], client, "7000", "9000:udp", "8000")
	r = l.run("env", "SHELL=/bin/sh", "ssh", "-G", "-F", config, "home")
	if !strings.Contains(r.stdout, "hostname gw.example\n") || !strings.Contains(r.stdout, "user somebody\n") {
		t.Fatalf("ssh -G: status %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	wire.packets()
	// Any other host is none of its business.
	l.run("env", "SHELL=/bin/sh", "ssh", "-G", "-F", config, "gw6.example")
	want(t, wire.packets(), client)
	// A failed knock is said, and ssh still knows the host.
	block = l.run(clientPath, "--ssh-config", "plain")
	r = l.run("env", "SHELL=/bin/sh", "ssh", "-G", "-F", l.file("ssh_config", block.stdout), "plain")
	if !strings.Contains(r.stdout, "hostname gw.example\n") || !strings.Contains(r.stderr, "port 2222 did not open within 1s") {
		t.Errorf("after a failed knock: %s%s", r.stdout, r.stderr)
	}
}

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

func TestTermClosesOpenDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves them open")
	for name, sig := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite.Need(t, "iptables")
			l := newLab(t)
			d := l.start(`
[door]
	sequence = 7000,8000,9000
	tcpflags = syn
	start_command = /usr/sbin/iptables -A INPUT -s %IP% -j ACCEPT && echo added %IP%
	cmd_timeout = 600
	stop_command = /usr/sbin/iptables -D INPUT -s %IP% -j ACCEPT
`)
			for _, src := range []string{client, other} {
				l.send(syns(src, 7000, 8000, 9000)...)
				d.hear("added " + src)
			}
			if err := d.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code := d.exit(); code != 0 {
				t.Errorf("exit status %d, want 0", code)
			}
			d.wait("shutting down")
			if got := l.run("iptables", "-S"); strings.Contains(got, "192.0.2.") {
				t.Errorf("rules are left:\n%s", got)
			}
		})
	}
}

// A start command that hangs does not keep its door from being shut.
func TestTermWhileAStartHangs(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the command running and the door open")
	l := newLab(t)
	shut := filepath.Join(l.dir, "shut")
	d := l.start(`
[hung]
	sequence = 7000,8000,9000
	tcpflags = syn
	start_command = echo half open; read line < ` + l.fifo("gate") + `
	cmd_timeout = 600
	stop_command = echo %IP% > ` + shut + `
`)
	l.knock(gateway, "7000", "8000", "9000")
	d.hear("half open")
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := d.exit(); code != 0 {
		t.Errorf("exit status %d, want 0", code)
	}
	if got, err := os.ReadFile(shut); string(got) != client+"\n" {
		t.Errorf("the stop command did not run: it left %q, %v", got, err)
	}
}

// opened knocks until the door named opens: nothing tells when a reload is done.
func (l *lab) opened(d *process, name string, ports ...string) {
	l.t.Helper()
	line := client + ": " + name + ": OPEN SESAME"
	before := d.Count(has(line))
	eventually(l.t, line, func() bool {
		l.knock(append([]string{gateway}, ports...)...)
		l.settle(d)
		return d.Count(has(line)) > before
	})
}

func TestHupReadsAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	under := underTest(t)
	d := l.start(door)
	l.opened(d, "door", "7000", "8000", "9000")
	path := l.config(under, strings.NewReplacer("7000", "6000", "[door]", "[gate]").Replace(door))
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("re-reading config file: " + path)
	l.opened(d, "gate", "6000", "8000", "9000")
	l.knock(gateway, "7000", "8000", "9000")
	l.settle(d)
	d.want(client+": door: OPEN SESAME", 1)
}

// A reload between two knocks costs neither.
func TestHupKeepsAttempts(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it forgets them")
	l := newLab(t)
	d := l.start(door)
	l.knock(gateway, "7000", "8000")
	d.wait("door: Stage 2")
	path := l.config(underTest(t), "[before]\n\tsequence = 1111\n"+door)
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("re-reading config file: " + path)
	l.opened(d, "before", "1111")
	l.knock(gateway, "9000")
	d.wait(client + ": door: OPEN SESAME")
}

func TestHupWithABadFileKeepsTheDoors(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it exits")
	l := newLab(t)
	d := l.start(door)
	path := l.config(underTest(t), "[door]\n\tsequence = abc\n")
	if err := d.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait("re-reading config file: " + path)
	d.wait(path + ":4: sequence: ")
	l.opened(d, "door", "7000", "8000", "9000")
}

func TestMissingInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	args := []string{"-i", "nosuch0", "-c", l.config(d, door)}
	if !testsKnockd() {
		args = append(args, "--require-interface")
	}
	p := l.launch(d, args...)
	if code := p.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	p.wait("nosuch0")
	if !testsKnockd() {
		oneLine(p, "nosuch0")
	}
}

func TestMissingCapability(t *testing.T) {
	t.Parallel()
	suite.Need(t, "setpriv")
	l := newLab(t)
	d := underTest(t)
	p := l.spawn(l.gw, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
		d.path, "-i", netns.GatewayIf, "-c", l.config(d, door))
	if code := p.exit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if !testsKnockd() {
		oneLine(p, "CAP_NET_RAW")
	}
}

func oneLine(p *process, text string) {
	p.t.Helper()
	if lines := p.Lines(); len(lines) != 1 || !strings.Contains(lines[0], text) {
		p.t.Errorf("want one line that names %s; printed:\n%s", text, strings.Join(lines, "\n"))
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := underTest(t)
	for _, flag := range []string{"-V", "--version", "-h", "--help"} {
		if p := l.spawn(l.gw, d.path, flag); p.exit() > 1 || len(p.Lines()) == 0 {
			t.Errorf("%s: printed %q", flag, p.Lines())
		}
	}
	p := l.launch(d, "--interface", netns.GatewayIf, "--config", l.config(d, door), "--only-ip-v4", "--debug")
	p.wait("starting up, listening on " + netns.GatewayIf)
	l.opened(p, "door", "7000", "8000", "9000")
}

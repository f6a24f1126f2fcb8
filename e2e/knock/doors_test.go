package knock_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

const doors = `
[four]
	sequence = 7000,9000:udp,8000
	seq_timeout = 60
	tcpflags = syn
	start_command = echo opened for %IP%
[six]
	sequence = 17000:udp,19000,18000
	seq_timeout = 60
	tcpflags = syn
	start_command = echo opened for %IP%
`

// TestDoors opens doors of both daemons, by address and by name, over IPv4, IPv6
// and both.
func TestDoors(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sesame", "knockd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			d := l.daemon(name, doors)
			l.knock("--both", "dual.example", "7000", "9000:udp", "8000")
			d.wait("opened for "+client, 2) // once in the line that tells of the command
			d.wait("opened for "+client6, 2)
			l.knock("-d", "0", "--source", "192.0.2.5", gateway, "7000", "9000:udp", "8000")
			d.wait("opened for 192.0.2.5", 2)
			l.knock("-d", "0", gateway6, "17000:udp", "19000", "18000")
			d.wait(client6+": six: OPEN SESAME", 1)
			l.knock("gw.example", "17000:udp", "19000", "18000")
			d.wait(client+": six: OPEN SESAME", 1)
		})
	}
}

// shut drops what comes to the gateway, so that only a door lets anything in.
func (l *lab) shut() {
	l.t.Helper()
	suite.Need(l.t, "iptables", "ip6tables")
	l.ip(l.gw, "iptables", "-P", "INPUT", "DROP")
	l.ip(l.gw, "ip6tables", "-P", "INPUT", "DROP")
}

const ssh = `
[ssh]
	sequence = 7000,9000:udp,8000
	seq_timeout = 60
	tcpflags = syn
	cmd_timeout = 3600
	start_command = GATE iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	start_command_6 = GATE ip6tables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
`

func (l *lab) sshDoor(name, gate string) *process {
	l.t.Helper()
	return l.daemon(name, strings.ReplaceAll(ssh, "GATE", gate))
}

// TestWait waits for a door that opens at once.
func TestWait(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sesame", "knockd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.shut()
			l.listen(gateway + ":22")
			l.listen("[" + gateway6 + "]:22")
			l.sshDoor(name, "")
			l.knock("--wait", "22", gateway, "7000", "9000:udp", "8000")
			l.knock("--wait", "22", "-6", "dual.example", "7000", "9000:udp", "8000")
		})
	}
}

// TestWaitForALateDoor opens the door only when the client has knocked again.
func TestWaitForALateDoor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.shut()
	l.listen(gateway + ":22")
	wire := l.tap()
	signal := filepath.Join(l.dir, "go")
	l.sshDoor("sesame", "until test -e "+signal+"; do sleep 0.05; done;")
	knock := l.spawn(l.as(clientPath, "--wait", "22", "--timeout", "60", gateway, "7000", "9000:udp", "8000"))
	wire.wait(client+" tcp 8000 S", 2)
	if knock.Exited() {
		t.Fatalf("it did not wait: %q", knock.Lines())
	}
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, err := knock.Exit(netns.Deadline); code != 0 || err != nil {
		t.Fatalf("status %d: %v %q", code, err, knock.Lines())
	}
}

// TestWaitKnocksAgain starts the daemon when the first knock is over.
func TestWaitKnocksAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.shut()
	l.listen(gateway + ":22")
	wire := l.tap()
	knock := l.spawn(l.as(clientPath, "--wait", "22", "--timeout", "60", gateway, "7000", "9000:udp", "8000"))
	wire.wait(client+" tcp 22 S", 1)
	l.sshDoor("sesame", "")
	if code, err := knock.Exit(netns.Deadline); code != 0 || err != nil {
		t.Fatalf("status %d: %v %q", code, err, knock.Lines())
	}
	// No attempt at the port comes between the knocks of a round.
	var all []string
	for _, line := range wire.packets() {
		all = append(all, strings.Fields(line)[2])
	}
	if n := strings.Count(strings.Join(all, " ")+" ", "7000 9000 8000 "); n < 2 {
		t.Errorf("%d whole knocks on the wire, want 2 or more: %q", n, all)
	}
}

// TestWaitEnds waits for ports that stay shut, silently and not.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wire := l.tap()
	r := l.run(clientPath, "--wait", "22", "--timeout", "2", gateway, "7000")
	// An attempt that is refused is over: each SYN is an attempt of its own.
	if n := strings.Count(strings.Join(wire.packets(), "\n"), " tcp 22 S"); n < 2 {
		t.Errorf("%d attempts, want more than one", n)
	}
	if r.code != 4 || r.stderr != "knock: "+gateway+": port 22 did not open within 2s: connection refused\n" || r.stdout != "" {
		t.Errorf("refused: status %d: %q %q", r.code, r.stdout, r.stderr)
	}
	l.shut()
	r = l.run(clientPath, "-q", "--wait", "22", "--timeout", "1", gateway, "7000")
	if r.code != 4 || r.stderr != "knock: "+gateway+": port 22 did not open within 1s: no answer\n" || r.stdout != "" {
		t.Errorf("dropped: status %d: %q %q", r.code, r.stdout, r.stderr)
	}
}

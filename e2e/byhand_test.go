package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/suite"

	"golang.org/x/sys/unix"

	"sesame/control"
)

func TestOpenAndCloseByHand(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no commands for a daemon")
	l := newLab(t)
	add, remove := l.nftGate()
	d := l.serve(fmt.Sprintf(friendsDoor, add, remove) +
		"[other door]\n\tsequence = 6000\n\tcmd_timeout = 600\n\tstart_command = :\n\tstop_command = :\n")
	command := func(code int, want string, args ...string) {
		t.Helper()
		got, out := l.command(append(args, "-c", d.conf)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%q: exit status %d, want %d and %q:\n%s", args, got, code, want, out)
		}
	}
	open := func(door, address string) {
		t.Helper()
		command(0, door+": opening", "open", door, address)
		d.awaitState(door, address, "open")
	}
	open("openSSH", doc(1))
	open("openSSH", doc(2))
	l.wantFriends(doc(1), doc(2))
	command(0, "openSSH: is open already, its time begins anew", "open", "openSSH", doc(1))
	open("other door", doc(1))
	open("other door", "2001:db8::7")
	l.wantFriends(doc(1), doc(2))

	command(1, `there is no door "opensesame"; there are "openSSH", "other door"`, "open", "opensesame", doc(1))
	for _, address := range []string{"gateway.example", "192.0.2", "192.0.2.0/24", "fe80::1%wan", "$(reboot)"} {
		command(1, "IPv4 or IPv6 address", "open", "openSSH", address)
	}
	command(0, "no such door is open", "close", "opensesame")
	command(0, "no such door is open", "close", "openSSH", doc(3))
	if got := len(d.status().Doors); got != 4 {
		t.Errorf("%d doors are open, want 4", got)
	}
	command(0, "1 door shut", "close", "openSSH", doc(1))
	l.wantFriends(doc(2))
	command(0, "1 door shut", "close", "other door", "2001:0db8:0::7")
	open("openSSH", doc(4))
	command(0, "2 doors shut", "close", "openSSH")
	l.wantFriends()
	d.awaitOpen(1)
	open("openSSH", doc(5))
	command(0, "2 doors shut", "close")
	l.wantFriends()
	d.awaitOpen(0)
}

// TestWhichDaemon uses the usual directories, which the gateway has to itself.
func TestWhichDaemon(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no commands for a daemon")
	l := newLab(t)
	path := underTest(t).path
	usual := []string{"-u", "STATE_DIRECTORY", "-u", "RUNTIME_DIRECTORY", path}
	command := func(code int, want string, args ...string) {
		t.Helper()
		got, out := finish(t, l.gw.Command("env", append(usual, args...)...))
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%q: exit status %d, want %d and %q:\n%s", args, got, code, want, out)
		}
	}
	none := func(args ...string) { t.Helper(); command(3, "no sesame daemon is running", args...) }
	none("status")
	none("status", "--json")
	none("open", "door", doc(1))
	none("close")
	const text = "[door]\n\tsequence = 7000\n\tcmd_timeout = 600\n\tstart_command = :\n\tstop_command = :\n"
	one, two := l.file("one.conf", text), l.file("two.conf", text)
	serve := func(iface, conf string) *process {
		t.Helper()
		p := l.launch(daemon{path: "env"}, append(usual, "-i", iface, "-c", conf)...)
		p.wait("starting up, listening on " + iface)
		return p
	}
	p := serve("wan", one)
	command(0, "door: opening", "open", "door", doc(1))
	serve("wan", two)
	serve("lo", two)
	command(1, "several daemons run, say with -c and -i which is meant: /run/sesame/", "open", "door", doc(2))
	command(1, "several daemons run", "open", "door", doc(2), "-c", two)
	command(1, "several daemons run", "open", "door", doc(2), "-i", "wan")
	command(0, "door: opening", "open", "door", doc(2), "-c", two, "-i", "lo")
	command(0, "door: opening", "open", "door", doc(2), "-c", one)
	none("status", "-c", l.file("three.conf", text))
	none("close", "-i", "lan")
	command(0, "1 door shut", "close", "door", "-i", "lo")
	command(0, "no such door is open", "close", "-c", two)
	_, out := finish(t, l.gw.Command("env", append(usual, "status")...))
	if n := strings.Count(out, "listening on "); n != 3 || !strings.Contains(out, "state file /var/lib/sesame/") {
		t.Errorf("%d daemons, want 3:\n%s", n, out)
	}
	command(0, "2 doors shut", "close")
	if err := p.Signal(syscall.SIGKILL); err != nil { // it leaves its socket behind
		t.Fatal(err)
	}
	p.exit()
	none("status", "-c", one)
	command(0, "door: opening", "open", "door", doc(3), "-i", "wan")
	command(0, "1 door shut", "close")
}

// Users without rights are told that they have none.
func TestControlIsForRootAlone(t *testing.T) {
	t.Parallel()
	suite.Need(t, "setpriv")
	sesameOnly(t, "it has no commands for a daemon")
	l := newLab(t)
	d := l.serve(door)
	for _, args := range [][]string{{"status"}, {"open", "door", doc(1)}, {"close"}} {
		nobody := append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups", underTest(t).path}, args...)
		code, out := finish(t, l.gw.Command("setpriv", append(nobody, "-c", d.conf)...))
		if code != 1 || !strings.Contains(out, "permission denied") {
			t.Errorf("%q: exit status %d: %s", args, code, out)
		}
	}
	d.flush()
	d.want(doc(1), 0)
}

// Clients that connect and say nothing keep nobody from coming in: while they
// are there a knock opens, and others are answered.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no control socket")
	l := newLab(t)
	add, remove := l.nftGate()
	d := l.serve(fmt.Sprintf(friendsDoor, add, remove))
	var clients []int
	for range 20 {
		c, err := control.Dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		clients = append(clients, c)
	}
	// Some say a part of a request, one asks and takes no answer.
	for i, text := range []string{"st", "open openSSH", "status\n"} {
		if _, err := unix.Write(clients[19-i], []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	l.knock(gateway, "7000", "8000", "9000")
	d.wait(client + ": openSSH: OPEN SESAME")
	eventually(t, "the rule", func() bool { return len(l.friends()) == 1 })
	// The daemon serves eight at once; those that came last are still there.
	there := 0
	for _, c := range clients {
		heard := []unix.PollFd{{Fd: int32(c), Events: unix.POLLIN}}
		if n, err := unix.Poll(heard, 0); n == 0 && err == nil {
			there++
		}
	}
	if there != 7 {
		t.Errorf("%d of the clients that say nothing are there, want 7", there)
	}
	d.awaitOpen(1)
	d.shut(1)
	d.awaitShut()
	l.wantFriends()
}

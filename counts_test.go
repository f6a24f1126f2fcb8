package main

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/afpacket"
	"sesame/control"
	"sesame/matcher"
)

// ownNetwork puts the test in a network namespace in which lo is up.
func ownNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); errors.Is(err, unix.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("needs root: a network namespace cannot be made")
	} else if err != nil {
		t.Fatal(err)
	}
	ip(t, "link", "set", "lo", "up")
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := osexec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCountsSurviveReload reloads with the same interface and with another one:
// no count goes back.
func TestCountsSurviveReload(t *testing.T) {
	ownNetwork(t)
	ip(t, "link", "add", "wan", "type", "veth", "peer", "name", "far")
	const doors = "[ssh]\nsequence = 7000:udp,7001:udp\n"
	d, p := requestDaemon(t, doors)
	d.withSocket(t, "lo")
	d.iface, d.config = "", filepath.Join(t.TempDir(), "knockd.conf")

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	knock := func() {
		if err := unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 7000, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Error(err)
		}
	}
	for range 4 {
		knock()
	}
	const flood = 5
	for i := range matcher.DefaultAttempts + flood {
		p := matcher.Packet{Src: matcher.Addr{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}, Port: matcher.Port{Number: 7000, Proto: matcher.UDP}, Local: true}
		d.doors.matcher.Packet(d.loop.instant.Now, &p)
	}
	d.counts.past.verdicts[afpacket.Knock+1] = 7
	d.turns(t, "packets", func() bool { return d.counts.past.verdicts[afpacket.Knock] == 4 })
	want := d.totals()
	if want.kernel.Passed != 4 || want.evicted < flood || want.malformed() != 7 {
		t.Fatalf("%+v", want)
	}
	for _, name := range []string{"lo", "lo", "wan", "lo"} {
		writeFile(t, d.config, "[options]\nInterface = "+name+"\n"+doors)
		if err := d.tryReload(); err != nil {
			t.Fatal(err)
		}
		if got := d.totals(); got != want || d.listeningOn() != name || len(d.links.ears) != 1 {
			t.Errorf("%s: %+v, want %+v", d.listeningOn(), got, want)
		}
		if n := d.doors.matcher.Stats().Evicted; n != 0 {
			t.Errorf("%d evicted: the matcher is the old one", n)
		}
	}
	knock()
	d.turns(t, "one more", func() bool { return d.counts.past.verdicts[afpacket.Knock] == 5 })
	if got := d.totals(); got.kernel.Passed != 5 {
		t.Errorf("%+v", got)
	}
	d.report()
	d.report()
	lost := fmt.Sprintf("lost: %d attempts gave way to newer ones; 7 packets not looked at (%v)\n", want.evicted, afpacket.Knock+1)
	if log := p.log(); strings.Count(log, "lost: ") != 1 || !strings.Contains(log, lost) {
		t.Errorf("%q is not there, or not alone:\n%s", lost, log)
	}
}

func watchNetwork(t testing.TB) *afpacket.Network {
	t.Helper()
	n, err := afpacket.Watch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// TestStatusTells checks every value against where it comes from, with more
// doors than one piece of the reply holds.
func TestStatusTells(t *testing.T) {
	d, p := requestDaemon(t, "[options]\nmax_open = 200\n[ssh]\nsequence = 1\nstart_command = true\nstop_command = true\ncmd_timeout = 3600\n")
	d.withSocket(t, "lo")
	d.openControl(d.doors.config)
	t.Cleanup(d.control.Close)
	d.loop.watch(d.control.FD(), func() { d.control.Ready(d.loop.instant.Now) })
	const doors = 150
	for i := range doors {
		d.answer(fmt.Sprintf("open ssh 198.18.0.%d", i))
	}
	d.turns(t, "the doors", func() bool { return strings.Count(d.states()+",", " open,") == doors })
	if got := d.answer("open ssh 198.18.0.0"); got != "outcome renewed" {
		t.Error(got, d.states())
	}
	d.counts.past.verdicts[afpacket.Knock+1], d.counts.past.kernel.Dropped, d.counts.past.evicted, d.counts.past.decoys = 2, 3, 4, 5
	d.log.lostAll = 6
	d.started = d.loop.instant.Now.Add(-time.Hour)

	done := make(chan *control.Status, 1)
	go func() {
		s, err := control.Read(p.run + "/etc+knockd.conf@wan.sock")
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	var s *control.Status
	d.turns(t, "the status", func() bool {
		select {
		case s = <-done:
			return true
		default:
			return false
		}
	})
	if s.Version != version || s.Interface != "lo" || s.Config != "/etc/knockd.conf" || s.StateFile != d.leases.StateFile || s.PID != os.Getpid() {
		t.Errorf("%+v", s)
	}
	if up := time.Duration(s.Now - s.Started); up < time.Hour || up > time.Hour+time.Minute || time.Since(time.Unix(0, s.Now)).Abs() > time.Minute {
		t.Errorf("up %v at %v", up, time.Unix(0, s.Now))
	}
	for c, n := range map[control.Counter]uint64{
		control.Malformed: 2, control.KernelDrops: 3, control.Evicted: 4, control.Decoys: 5,
		control.LogLost: 6, control.Openings: doors, control.Renewals: 1, control.StartFailures: 0, control.StopFailures: 0,
	} {
		if s.Counters[c] != n {
			t.Errorf("counter %d is %d, want %d", c, s.Counters[c], n)
		}
	}
	addresses := map[string]bool{}
	for _, door := range s.Doors {
		addresses[door.Address] = true
		if door.Name != "ssh" || door.State != "open" || door.Left <= 59*time.Minute || door.Left > time.Hour || s.Now-door.Opened > int64(time.Minute) {
			t.Errorf("%+v", door)
		}
	}
	if len(s.Doors) != doors || len(addresses) != doors {
		t.Errorf("%d doors, %d addresses", len(s.Doors), len(addresses))
	}
	if most := d.pieces(); most > 64 {
		t.Errorf("%d doors at a time", most)
	}
}

// pieces returns the most doors that status tells of at a time.
func (d *daemon) pieces() (most int) {
	reply := d.tell()
	for more := true; more; {
		var b []byte
		b, more = reply([]byte("\n"))
		most = max(most, strings.Count(string(b), "\ndoor "))
	}
	return most
}

package main

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// TestInUse finds ports that programs have, whatever address they are bound to.
func TestInUse(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // no IPv6 here
			continue
		}
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		tcp := matcher.Port{Number: uint16(l.Addr().(*net.TCPAddr).Port), Proto: matcher.TCP}
		udp := matcher.Port{Number: uint16(c.LocalAddr().(*net.UDPAddr).Port), Proto: matcher.UDP}
		if !inUse(tcp) || !inUse(udp) {
			t.Errorf("%s: TCP in use %v, UDP %v", address, inUse(tcp), inUse(udp))
		}
		l.Close()
		c.Close()
		if inUse(tcp) || inUse(udp) {
			t.Errorf("%s: in use when it is closed", address)
		}
	}
}

// TestDrawDecoys keeps off the ports of programs, and those that replies over UDP
// come to. Every draw is another.
func TestDrawDecoys(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	d := parseDoors(t, "[options]\ndecoys = 1024\n[a]\nsequence = 7000,7001:udp,"+strconv.Itoa(int(port)-1)+"\n")
	guard := matcher.NewGuard(time.Minute, matcher.Key{})
	low := ephemeral()
	seen := map[matcher.Port]int{}
	for range 20 {
		if err := d.drawDecoys(guard); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.matcher.Decoys() {
			seen[p]++
			if p == (matcher.Port{Number: port, Proto: matcher.TCP}) {
				t.Error("a decoy is a program's port")
			}
			if p.Proto == matcher.UDP && p.Number >= low {
				t.Errorf("decoy %v", p)
			}
		}
	}
	if len(seen) < 10000 {
		t.Errorf("only %d different decoys in 20 draws of 2,000", len(seen))
	}
	if !slices.Contains(d.interest(false).Decoys, matcher.Port{Number: 6999, Proto: matcher.TCP}) {
		t.Error("the filter is not told of decoys")
	}
	d.before = []matcher.Port{{Number: 6999, Proto: matcher.TCP}}
	if err := d.drawDecoys(guard); err != nil || slices.Contains(d.matcher.Decoys(), d.before[0]) {
		t.Errorf("a port of a sequence from before is a decoy, %v", err)
	}
	d.config.ScanGuard = false
	if err := d.drawDecoys(guard); err != nil || len(d.matcher.Decoys()) != 0 {
		t.Errorf("%d decoys without the guard, %v", len(d.matcher.Decoys()), err)
	}
}

// TestDecoysAreSecret has -D say nothing of a packet to a decoy but that a scan
// goes on.
func TestDecoysAreSecret(t *testing.T) {
	d, p := requestDaemon(t, "[a]\nsequence = 7000,8000\n")
	d.guard.Lockout, d.debug = time.Minute, true
	if err := d.doors.drawDecoys(d.guard); err != nil {
		t.Fatal(err)
	}
	src := *sourceOf(1)
	for _, number := range []uint16{7001, 7001, 7000} {
		d.onPacket(0, &matcher.Packet{Src: src, Port: matcher.Port{Number: number, Proto: matcher.TCP}, Flags: matcher.SYN, Local: true})
	}
	log := p.log()
	if !strings.Contains(log, src.String()+": port scan: ignored for 60 s\n") || strings.Contains(log, "7001") {
		t.Error(log)
	}
	if !strings.Contains(log, ":7000, flags 0x02") {
		t.Error("-D says nothing of a knock:\n", log)
	}
}

// TestPace takes single packets as they come, and packets that come faster than
// once in a millisecond for a flood.
func TestPace(t *testing.T) {
	var p pace
	now := matcher.Time(0)
	for i := range 1000 {
		now += matcher.Time(time.Millisecond)
		if p.flood(now, 1) {
			t.Fatalf("packet %d: a flood", i)
		}
	}
	now += matcher.Time(time.Second)
	for i := range floodPackets {
		if p.flood(now, 1) {
			t.Fatalf("packet %d of a knock: a flood", i)
		}
	}
	if !p.flood(now, 1) || !p.flood(now+matcher.Time(floodTime)-1, 0) {
		t.Error("no flood")
	}
	if p.flood(now+matcher.Time(floodTime), 1) {
		t.Error("a flood that is over")
	}
}

// TestNap sleeps about as long as it should, and renews the instant.
func TestNap(t *testing.T) {
	l := testLoop(t)
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	l.nap(floodPause)
	if at := matcher.Time(ts.Nano()); l.instant.Now < at {
		t.Errorf("the instant is %d, before %d", l.instant.Now, at)
	}
}

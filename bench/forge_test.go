package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"sesame/e2e/netns"
)

var (
	macA = []byte{2, 0, 0, 0, 0, 1}
	macB = []byte{2, 0, 0, 0, 0, 2}
)

// A frame that was changed in place is the one that would have been made anew,
// checksums and all.
func TestForgedFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, p := range []protocol{tcp, udp} {
		f := frame(macA, macB, p.packet(honest4, p.ports[0]))
		f6 := frame(macA, macB, p.packet(walked6, p.ports[0]))
		l, l6 := layoutOf(f), layoutOf(f6)
		for range 10_000 {
			src, port, n := anySource(rng), uint16(1+rng.IntN(65535)), rng.Uint64()
			l.setSource4(f, src)
			l.setPort(f, port)
			a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, src)))
			if want := frame(macA, macB, p.packet(a, port)); !bytes.Equal(f, want) {
				t.Fatalf("%s from %v to %d:\n%x, want\n%x", p.name, a, port, f, want)
			}
			l6.walk6(f6, n)
			l6.setPort(f6, port)
			b := walked6.As16()
			binary.BigEndian.PutUint64(b[8:], n)
			if want := frame(macA, macB, p.packet(netip.AddrFrom16(b), port)); !bytes.Equal(f6, want) {
				t.Fatalf("%s from %v to %d:\n%x, want\n%x", p.name, netip.AddrFrom16(b), port, f6, want)
			}
		}
	}
}

func TestFrame(t *testing.T) {
	f := frame(macA, macB, netns.TCP("192.0.2.2", "192.0.2.1", 7, netns.SYN))
	want := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45} // to, from, IPv4
	if !bytes.HasPrefix(f, want) {
		t.Errorf("%x, want %x...", f, want)
	}
	f = frame(macA, macB, netns.TCP("2001:db8::2", "2001:db8::1", 7, netns.SYN))
	if !bytes.Equal(f[12:15], []byte{0x86, 0xdd, 0x60}) {
		t.Errorf("IPv6: %x", f)
	}
}

func TestAnySource(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[uint32]bool{}
	for range 200_000 {
		a := anySource(rng)
		if top := a >> 24; top == 0 || top == 127 || top > 223 || a>>8 == 0xc00002 {
			t.Fatalf("%x", a)
		}
		seen[a] = true
	}
	if len(seen) < 199_000 {
		t.Errorf("only %d of 200,000 differ", len(seen))
	}
}

// Each flood sends what its name says.
func TestFloodings(t *testing.T) {
	for _, k := range floodings {
		f := frame(macA, macB, k.proto.packet(k.forged, k.proto.ports[0]))
		l := layoutOf(f)
		next := k.next(l)
		var packets [4][]byte
		for i := range packets {
			next(i, f)
			packets[i] = append([]byte(nil), f...)
		}
		port := func(i int) uint16 { return binary.BigEndian.Uint16(packets[i][l.port:]) }
		addr := func(i int) string {
			if packets[i][header]>>4 == 6 {
				return string(packets[i][l.src : l.src+16])
			}
			return string(packets[i][l.src : l.src+4])
		}
		if k.name == "second" {
			if addr(0) != addr(1) || addr(1) == addr(2) || addr(2) != addr(3) || port(0) != 7000 || port(1) != 8000 || port(2) != 7000 {
				t.Errorf("%s: %x", k.name, packets)
			}
			continue
		}
		for i := range packets {
			if port(i) != k.proto.ports[0] || i > 0 && addr(i) == addr(i-1) {
				t.Errorf("%s: %x", k.name, packets)
			}
		}
		if k.name == "ipv6" && addr(0)[:8] != addr(3)[:8] {
			t.Errorf("not one /64: %x", packets)
		}
	}
}

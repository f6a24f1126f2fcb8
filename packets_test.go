package main

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"sesame/afpacket"
	"sesame/matcher"
)

// rawSYN is a SYN from 10.0.0.0 to 127.0.0.1: version and length, ..., TCP,
// addresses; ports, ..., header length, flags.
func rawSYN() []byte {
	b := make([]byte, 40)
	b[0], b[9], b[12], b[16], b[19] = 0x45, 6, 10, 127, 1
	b[32], b[33] = 0x50, matcher.SYN
	return b
}

func setSource(b []byte, n int)  { b[13], b[14], b[15] = byte(n>>16), byte(n>>8), byte(n) }
func setPort(b []byte, n uint16) { binary.BigEndian.PutUint16(b[22:], n) }

// pipeline is a packet's whole way, except for the socket and the log.
type pipeline struct {
	network *afpacket.Network
	matcher *matcher.Matcher
	opened  int
}

func newPipeline(t testing.TB, doors, attempts int) *pipeline {
	t.Helper()
	list := make([]matcher.Door, doors)
	for i := range list {
		for step := range uint16(3) {
			list[i].Sequence = append(list[i].Sequence, matcher.Port{Number: 10000*(step+1) + uint16(i), Proto: matcher.TCP})
		}
		list[i].Flags, list[i].Timeout = matcher.Flags{Set: matcher.SYN}, time.Hour
	}
	m, err := matcher.New(list, 0, matcher.Key{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{network: watchNetwork(t), matcher: m}
	b := rawSYN()
	setPort(b, 10000)
	for i := range attempts {
		setSource(b, 1<<20+i)
		p.packet(0, b)
	}
	if m.InFlight() != attempts {
		t.Fatalf("%d attempts in flight, want %d: has lo its address?", m.InFlight(), attempts)
	}
	return p
}

func (p *pipeline) packet(now matcher.Time, b []byte) {
	var packet matcher.Packet
	if afpacket.Parse(b, &packet) != afpacket.Knock {
		return
	}
	packet.Local = p.network.Has(packet.Dst)
	for _, ev := range p.matcher.Packet(now, &packet) {
		if ev.Kind == matcher.Open {
			p.opened++
		}
	}
}

func TestPacketNoAllocs(t *testing.T) {
	p := newPipeline(t, 1000, matcher.DefaultAttempts)
	b, n := rawSYN(), 0
	if allocs := testing.AllocsPerRun(30000, func() {
		setSource(b, n/3)
		setPort(b, uint16(10000*(n%3+1)+n/3%1000))
		p.packet(matcher.Time(n), b)
		n++
	}); allocs != 0 {
		t.Errorf("%v allocations a packet, want 0", allocs)
	}
	if p.opened < 9000 || p.matcher.Stats().Evicted == 0 {
		t.Errorf("%d openings and %+v: not every case was met", p.opened, p.matcher.Stats())
	}
}

// BenchmarkPacket is what a packet costs between the socket and the log: parse,
// address, table, wheel. "knock" is one of three knocks of an honest sequence,
// "flood" the first knock of a source never seen before.
func BenchmarkPacket(b *testing.B) {
	for _, doors := range []int{1, 10, 100, 1000} {
		for _, attempts := range []int{0, matcher.DefaultAttempts} {
			b.Run(fmt.Sprintf("knock/doors=%d/attempts=%d", doors, attempts), func(b *testing.B) {
				p, raw := newPipeline(b, doors, attempts), rawSYN()
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					setPort(raw, uint16(10000*(n%3+1)+n/3%doors))
					p.packet(matcher.Time(n), raw)
					p.matcher.Next()
				}
			})
		}
		b.Run(fmt.Sprintf("flood/doors=%d", doors), func(b *testing.B) {
			p, raw := newPipeline(b, doors, matcher.DefaultAttempts), rawSYN()
			setPort(raw, 10000)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				setSource(raw, n)
				p.packet(matcher.Time(n), raw)
				p.matcher.Next()
			}
		})
	}
}

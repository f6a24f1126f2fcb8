package afpacket

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"sesame/matcher"
)

// machine runs a filter as the kernel does. The test's VM knows no protocol
// and packet type of a socket buffer, so those loads become constants.
type machine struct {
	vm4, vm6, vmARP *bpf.VM
}

// disassemble returns a program in the test VM's form. Every instruction must
// be one that exists.
func disassemble(t testing.TB, program []Instruction) []bpf.Instruction {
	t.Helper()
	list := make([]bpf.Instruction, len(program))
	for i, ins := range program {
		raw := bpf.RawInstruction{Op: ins.Code, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
		list[i] = raw.Disassemble()
		if list[i] == bpf.Instruction(raw) {
			t.Fatalf("instruction %d, %+v, does not exist", i, ins)
		}
	}
	return list
}

func newMachine(t testing.TB, program []Instruction) machine {
	t.Helper()
	if len(program) > MaxInstructions {
		t.Fatalf("%d instructions", len(program))
	}
	vm := func(etherType, packetType uint32) *bpf.VM {
		p := disassemble(t, program)
		for i, ins := range p {
			if ext, ok := ins.(bpf.LoadExtension); ok {
				val := etherType
				if ext.Num == bpf.ExtType {
					val = packetType
				}
				p[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: val}
			}
		}
		vm, err := bpf.NewVM(p)
		if err != nil {
			t.Fatal(err)
		}
		return vm
	}
	return machine{vm(etherIP4, 0), vm(etherIP6, 0), vm(0x0806, 0)}
}

// run returns how many bytes of the packet pass.
func (m machine) run(t testing.TB, vm *bpf.VM, b []byte) int {
	t.Helper()
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return min(n, len(b))
}

// forPacket picks the machine of the packet's IP version.
func (m machine) forPacket(b []byte) *bpf.VM {
	if len(b) > 0 && b[0]>>4 == 6 {
		return m.vm6
	}
	return m.vm4
}

func tcpPorts(numbers ...uint16) (ports []matcher.Port) {
	for _, n := range numbers {
		ports = append(ports, matcher.Port{Number: n, Proto: matcher.TCP})
	}
	return ports
}

// wanted is the meaning of the filter, on top of Parse.
func (in Interest) wanted(b []byte) bool {
	var p matcher.Packet
	if Parse(b, &p) != Knock || in.Only4 && b[0]>>4 == 6 {
		return false
	}
	return slices.Contains(in.Ports, p.Port) && in.Flags.Accept(p.Port.Proto, p.Flags) ||
		slices.Contains(in.Decoys, p.Port) && (p.Port.Proto == matcher.UDP || p.Flags&(matcher.SYN|matcher.ACK) == matcher.SYN)
}

// randomPacket makes packets that are mostly right: hostile in one field or
// two, to ports around those of interest.
func randomPacket(rnd *rand.Rand, in Interest) []byte {
	proto := []byte{6, 6, 17, 17, 1, 50, 58, 59}[rnd.IntN(8)]
	transport := make([]byte, 20)
	port := uint16(rnd.Uint32())
	if ports := append(slices.Clone(in.Ports), in.Decoys...); len(ports) > 0 && rnd.IntN(4) > 0 {
		p := ports[rnd.IntN(len(ports))]
		port = p.Number + uint16(rnd.IntN(3)) - 1
		if rnd.IntN(4) > 0 {
			port, proto = p.Number, byte(p.Proto)
		}
	}
	binary.BigEndian.PutUint16(transport[2:], port)
	transport[13] = []byte{2, 2, 2, 0x12, 0x10, 0, 0xff}[rnd.IntN(7)]
	if proto == 17 {
		transport = transport[:8]
	}
	var b []byte
	if rnd.IntN(2) == 0 {
		b = make([]byte, 20+4*max(0, rnd.IntN(20)-10))
		b[0] = 0x40 | byte(len(b)/4)
		b[9] = proto
		if rnd.IntN(8) == 0 {
			binary.BigEndian.PutUint16(b[6:], uint16(rnd.Uint32()))
		}
		fillRandom(rnd, b[12:20])
	} else {
		b = ip6Packet(rnd, proto)
	}
	b = append(b, transport...)
	switch rnd.IntN(8) {
	case 0:
		b = b[:rnd.IntN(len(b)+1)]
	case 1:
		b[rnd.IntN(len(b))] = byte(rnd.Uint32())
	}
	return b
}

func ip6Packet(rnd *rand.Rand, proto byte) []byte {
	b := make([]byte, 40)
	b[0] = 0x60
	b[5] = 20 // payload length; 0 is a jumbogram's
	fillRandom(rnd, b[8:40])
	next := &b[6]
	for range max(0, rnd.IntN(12)-5) {
		kind := []byte{0, 43, 60, 44, 51}[rnd.IntN(5)]
		*next = kind
		size := 8
		h := make([]byte, 8, 32)
		switch kind {
		case 44:
			if rnd.IntN(6) == 0 {
				binary.BigEndian.PutUint16(h[2:], uint16(rnd.Uint32()))
			}
		case 51:
			h[1] = byte(rnd.IntN(5))
			size = (int(h[1]) + 2) * 4
		default:
			h[1] = byte(rnd.IntN(3))
			size = (int(h[1]) + 1) * 8
		}
		at := len(b)
		b = append(b, h[:max(8, size)]...)
		b = b[:at+size]
		next = &b[at]
	}
	*next = proto
	return b
}

func fillRandom(rnd *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
}

// extensions counts the IPv6 extension headers that a packet announces.
func extensions(b []byte) (n int) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return 0
	}
	next, at := b[6], 40
	for slices.Contains([]byte{hopByHop, routing, fragment, authHeader, destOptions}, next) {
		n++
		if at+8 > len(b) {
			break
		}
		size := (int(b[at+1]) + 1) * 8
		switch next {
		case fragment:
			size = 8
		case authHeader:
			size = (int(b[at+1]) + 2) * 4
		}
		next, at = b[at], at+size
	}
	return n
}

func randomInterest(rnd *rand.Rand) Interest {
	var in Interest
	for range rnd.IntN(40) {
		p := matcher.Port{Number: uint16(1 + rnd.IntN(65535)), Proto: matcher.TCP}
		if rnd.IntN(3) == 0 {
			p.Proto = matcher.UDP
		}
		for range 1 + rnd.IntN(3) {
			in.Ports = append(in.Ports, p)
			p.Number++
		}
	}
	in.Ports = slices.DeleteFunc(in.Ports, func(p matcher.Port) bool { return p.Number == 0 })
	if len(in.Ports) > 1 && rnd.IntN(3) > 0 {
		n := rnd.IntN(len(in.Ports))
		in.Ports, in.Decoys = in.Ports[:n], in.Ports[n:]
	}
	switch rnd.IntN(3) {
	case 0:
		in.Flags.Set = matcher.SYN
	case 1:
		in.Flags = matcher.Flags{Set: matcher.SYN, Clear: matcher.ACK | matcher.RST}
	}
	in.Only4 = rnd.IntN(5) == 0
	return in
}

// TestFilterExact compares the filter with Parse on random packets: it passes
// what Parse takes on a port of interest, whole in its headers, and nothing
// else, except packets with more extension headers than it walks.
func TestFilterExact(t *testing.T) {
	passed := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		in := randomInterest(rnd)
		m := newMachine(t, Filter(in, seed%2 == 0, 0))
		for range 3000 {
			b := randomPacket(rnd, in)
			n, want := m.run(t, m.forPacket(b), b), in.wanted(b)
			switch {
			case want && n == 0:
				t.Fatalf("seed %d: %x: wanted, but rejected", seed, b)
			case want:
				passed++
				if !in.wanted(b[:n]) && n != MaxHeaders {
					t.Fatalf("seed %d: %x: cut to %d bytes, too few", seed, b, n)
				}
			case n > 0 && extensions(b) <= extensionSteps && !mapped(b):
				t.Fatalf("seed %d: %x: passed, but not wanted of %+v", seed, b, in)
			}
			if n := m.run(t, m.vmARP, b); n != 0 {
				t.Fatalf("seed %d: %x: passed as ARP", seed, b)
			}
		}
	}
	if passed < 100000 {
		t.Errorf("only %d packets passed: the test proves little", passed)
	}
}

// mapped reports the one thing that the filter leaves to Parse.
func mapped(b []byte) bool {
	if len(b) < 40 {
		return false
	}
	src := matcher.Addr(b[8:24])
	return src.Is4()
}

// TestFilterSnap checks that not a byte behind the headers is captured.
func TestFilterSnap(t *testing.T) {
	m := newMachine(t, Filter(Interest{Ports: append(tcpPorts(7000), matcher.Port{Number: 9, Proto: matcher.UDP})}, false, 0))
	const payload = "ffffffffffffffffffffffffffffffffffffffff"
	for _, tt := range []struct {
		hex  string
		want int
	}{
		{ip4TCP + tcpSYN + payload, 40},
		{ip4UDP + udp9 + payload, 40}, // cut where a TCP header would end
		{ip6 + "06" + ip6Addrs + tcpSYN + payload, 60},
		{ip6 + "00" + ip6Addrs + "06 00 050200000100" + tcpSYN + payload, 68},
	} {
		b := packet(t, tt.hex)
		if n := m.run(t, m.forPacket(b), b); n != tt.want {
			t.Errorf("%x: %d bytes pass, want %d", b, n, tt.want)
		}
	}
}

func TestFilterDropsSent(t *testing.T) {
	b := packet(t, ip4TCP+tcpSYN)
	for _, drop := range []bool{true, false} {
		program := disassemble(t, Filter(Interest{Ports: tcpPorts(7000)}, drop, 0))
		for i, ins := range program {
			switch ins {
			case bpf.LoadExtension{Num: bpf.ExtType}:
				program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: packetOutgoing}
			case bpf.LoadExtension{Num: bpf.ExtProto}:
				program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: etherIP4}
			}
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := vm.Run(b); err != nil || (n == 0) != drop {
			t.Errorf("drop sent packets %v: a sent packet passes with %d bytes, error %v", drop, n, err)
		}
	}
}

// TestFilterScale checks the program at every size: it fits, no port is lost,
// and it passes others only where ports had to be joined to ranges.
func TestFilterScale(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{0, 1, 2, 3, 10, 100, 500, 1000, 1500, 1900, 2500, 3000, 10000, 65535} {
		for _, max := range []int{0, 512, minInstructions} {
			in := scattered(rnd, n)
			program := Filter(in, true, max)
			if limit := cmp.Or(max, MaxInstructions); len(program) > limit {
				t.Errorf("%d ports: %d instructions, at most %d wanted", n, len(program), limit)
			}
			extra, decoys := countExtra(t, in, program)
			t.Logf("%5d ports, limit %4d: %4d instructions, %3d of %3d decoys and %5d other ports pass", n, max, len(program), decoys, len(in.Decoys), extra)
			if n <= 1500 && max == 0 && extra > 0 {
				t.Errorf("%d ports: %d others pass", n, extra)
			}
			if n <= 1000 && max == 0 && decoys < len(in.Decoys) || decoys < min((cmp.Or(max, MaxInstructions)-minInstructions)/decoyShare, len(in.Decoys)) {
				t.Errorf("%d ports, limit %d: only %d of %d decoys pass", n, max, decoys, len(in.Decoys))
			}
		}
	}
}

// scattered returns an interest in n ports at random, and in decoys among the
// others.
func scattered(rnd *rand.Rand, n int) (in Interest) {
	for i, number := range rnd.Perm(65535)[:min(n+260, 65535)] {
		p := matcher.Port{Number: uint16(number + 1), Proto: matcher.TCP}
		if number%5 == 0 {
			p.Proto = matcher.UDP
		}
		if i < n {
			in.Ports = append(in.Ports, p)
		} else {
			in.Decoys = append(in.Decoys, p)
		}
	}
	in.Flags.Set = matcher.SYN
	return in
}

// countExtra sends a packet to every port of both protocols, and returns how many
// pass that are of no interest, and how many decoys.
func countExtra(t *testing.T, in Interest, program []Instruction) (extra, decoys int) {
	t.Helper()
	m := newMachine(t, program)
	want := map[matcher.Port]*int{}
	wanted := 0
	for _, p := range in.Ports {
		want[p] = &wanted
	}
	for _, p := range in.Decoys {
		want[p] = &decoys
	}
	tcp, udp := packet(t, ip4TCP+tcpSYN), packet(t, ip4UDP+udp9)
	for number := 1; number < 1<<16; number++ {
		for _, b := range [][]byte{tcp, udp} {
			binary.BigEndian.PutUint16(b[22:], uint16(number))
			if m.run(t, m.vm4, b) == 0 {
				continue
			}
			if n := want[matcher.Port{Number: uint16(number), Proto: matcher.Proto(b[9])}]; n != nil {
				*n++
			} else {
				extra++
			}
		}
	}
	if wanted != len(in.Ports) {
		t.Fatalf("%d of %d ports are lost", len(in.Ports)-wanted, len(in.Ports))
	}
	return extra, decoys
}

func BenchmarkFilterBuild(b *testing.B) {
	in := Interest{Flags: matcher.Flags{Set: matcher.SYN}}
	for i := range 3000 {
		in.Ports = append(in.Ports, matcher.Port{Number: uint16(1 + i*21), Proto: matcher.TCP})
	}
	b.ReportAllocs()
	for b.Loop() {
		Filter(in, false, 0)
	}
}

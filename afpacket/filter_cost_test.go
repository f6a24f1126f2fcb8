package afpacket

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// steps runs a program on an IPv4 packet and returns how many instructions that
// takes. What it returns for the packet must be what the VM says.
func steps(t testing.TB, m machine, program []Instruction, b []byte) (n int) {
	var a, x uint32
	var scratch [16]uint32
	for pc := 0; ; pc++ {
		n++
		ins := program[pc]
		at, size := ins.K, uint32(0)
		switch ins.Code {
		case loadByteX, loadHalfX:
			at += x
		}
		switch ins.Code {
		case loadByte, loadByteX, loadHeaderLength:
			size = 1
		case loadHalf, loadHalfX:
			size = 2
		}
		if size > 0 && at+size > uint32(len(b)) {
			return n
		}
		jump := func(yes bool) {
			if yes {
				pc += int(ins.Jt)
			} else {
				pc += int(ins.Jf)
			}
		}
		switch ins.Code {
		case loadByte, loadByteX:
			a = uint32(b[at])
		case loadHalf, loadHalfX:
			a = uint32(binary.BigEndian.Uint16(b[at:]))
		case loadWord:
			a = etherIP4 // what the machine's packets are
			if ins.K == ancillaryType {
				a = 0
			}
		case loadScratch:
			a = scratch[ins.K]
		case storeScratch:
			scratch[ins.K] = a
		case loadHeaderLength:
			x = uint32(b[at]&0xf) * 4
		case setX:
			x = ins.K
		case copyAToX:
			x = a
		case copyXToA:
			a = x
		case addK:
			a += ins.K
		case addX:
			a += x
		case andK:
			a &= ins.K
		case shiftLeftK:
			a <<= ins.K
		case jumpAlways:
			pc += int(ins.K)
		case jumpEqual:
			jump(a == ins.K)
		case jumpGreater:
			jump(a > ins.K)
		case jumpGreaterEqual:
			jump(a >= ins.K)
		case jumpBits:
			jump(a&ins.K != 0)
		case returnA, returnK:
			passes := min(int(a), len(b))
			if ins.Code == returnK {
				passes = min(int(ins.K), len(b))
			}
			if want := m.run(t, m.vm4, b); passes != want {
				t.Fatalf("%d bytes pass, the VM says %d", passes, want)
			}
			return n
		default:
			t.Fatalf("unknown instruction %+v", ins)
		}
	}
}

// TestFilterSteps checks that the cost of a packet does not grow with the doors,
// but for one step each time they double.
func TestFilterSteps(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	for _, tt := range []struct{ doors, most int }{{1, 40}, {10, 45}, {100, 50}, {1000, 60}, {21845, 60}} {
		in := scattered(rnd, 3*tt.doors)
		program := Filter(in, false, 0)
		m := newMachine(t, program)
		b := packet(t, ip4TCP+tcpSYN)
		sum, most := 0, 0
		for number := range 1 << 16 {
			binary.BigEndian.PutUint16(b[22:], uint16(number))
			n := steps(t, m, program, b)
			sum, most = sum+n, max(most, n)
		}
		t.Logf("%5d doors: %4d instructions, a SYN takes %.1f of them on average, %d at most", tt.doors, len(program), float64(sum)/(1<<16), most)
		if most > tt.most {
			t.Errorf("%d doors: a packet takes up to %d steps, want %d at most", tt.doors, most, tt.most)
		}
	}
}

// BenchmarkFilterKernel is the sending of a packet over lo to a port of no
// interest, past a socket with a filter. The first is without a socket.
func BenchmarkFilterKernel(b *testing.B) {
	for _, doors := range []int{0, 1, 10, 100, 1000, 21845} {
		b.Run(fmt.Sprintf("doors=%d", doors), func(b *testing.B) {
			inNamespace(b, func() { noise(b, doors) })
		})
	}
}

func noise(b *testing.B, doors int) {
	in := scattered(rand.New(rand.NewPCG(4, 2)), 3*doors)
	if doors > 0 {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Error(err)
			return
		}
		defer unix.Close(fd)
		for _, err := range []error{
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, asFprog(in)),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: 1}),
		} {
			if err != nil {
				b.Error(err)
				return
			}
		}
	}
	quiet := 0
	for free := false; !free; {
		quiet++
		free = true
		for _, p := range append(in.Ports, in.Decoys...) {
			free = free && int(p.Number) != quiet
		}
		if quiet == 1<<16-1 {
			break // all ports are doors': one of the other protocol is as good
		}
	}
	udp := newUDPSender(b, loopback)
	defer unix.Close(udp.fd)
	b.ReportAllocs()
	for b.Loop() {
		udp.send(quiet)
	}
}

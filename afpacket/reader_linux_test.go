package afpacket

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

// ring is the other way to read packets, kept to measure it against Socket: a
// receive ring mapped from the kernel, TPACKET_V2 (packet_mmap.rst), since V3
// hands over blocks by a timer.
type ring struct {
	fd     int
	frames []byte
	next   int
}

const (
	ringFrame  = 512
	ringFrames = 2048
	// struct tpacket2_hdr, linux/if_packet.h: tp_status, tp_len, tp_snaplen,
	// tp_mac, tp_net.
	ringSnapLen = 8
	ringNet     = 14
)

func newRing(link Link, in Interest) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	req := unix.TpacketReq{Block_size: ringFrame * 128, Block_nr: ringFrames / 128, Frame_size: ringFrame, Frame_nr: ringFrames}
	for _, err := range []error{
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, asFprog(in)),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: link.Index}),
	} {
		if err != nil {
			return nil, err
		}
	}
	frames, err := unix.Mmap(fd, 0, ringFrame*ringFrames, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return &ring{fd: fd, frames: frames}, err
}

// asFprog is the filter for in, for setsockopt.
func asFprog(in Interest) *unix.SockFprog {
	filter := sockFilter(Filter(in, false, 0))
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
}

// read calls f with every waiting packet.
func (r *ring) read(f func([]byte)) (n int) {
	for {
		frame := r.frames[r.next*ringFrame:][:ringFrame]
		status := (*uint32)(unsafe.Pointer(&frame[0]))
		if *status&unix.TP_STATUS_USER == 0 {
			return n
		}
		at := binary.NativeEndian.Uint16(frame[ringNet:])
		f(frame[at:][:binary.NativeEndian.Uint32(frame[ringSnapLen:])])
		*status = unix.TP_STATUS_KERNEL
		r.next = (r.next + 1) % ringFrames
		n++
	}
}

// reader is either of the two.
type reader struct {
	fd   int
	read func(f func([]byte)) int
}

func newReader(b *testing.B, kind string, in Interest) reader {
	b.Helper()
	if kind == "ring" {
		r, err := newRing(linkOf(b, "wan"), in)
		if err != nil {
			b.Fatal(err)
		}
		return reader{r.fd, r.read}
	}
	s, err := Listen(linkOf(b, "wan"), Compile(in))
	if err != nil {
		b.Fatal(err)
	}
	batch := NewBatch()
	return reader{s.FD(), func(f func([]byte)) int {
		n, _ := s.Read(batch)
		for i := range n {
			f(batch.Packet(i))
		}
		return n
	}}
}

// BenchmarkReader compares recvmmsg with a mapped ring. "wake" is a single
// packet: from the sender's call to the reader's having parsed it, the median
// and the 99th percentile. "flood" is as many packets as a sender on another
// processor can send: the reading thread's time for each.
func BenchmarkReader(b *testing.B) {
	for _, kind := range []string{"recvmmsg", "ring"} {
		b.Run("wake/"+kind, func(b *testing.B) { benchReader(b, kind, wake) })
	}
	for _, kind := range []string{"recvmmsg", "ring"} {
		b.Run("flood/"+kind, func(b *testing.B) { benchReader(b, kind, flood) })
	}
}

func benchReader(b *testing.B, kind string, run func(*testing.B, reader, *udpSender)) {
	inNamespace(b, func() {
		ip(b, "link", "add", "wan", "type", "veth", "peer", "name", "lan")
		ip(b, "link", "set", "wan", "up")
		ip(b, "link", "set", "lan", "up")
		r := newReader(b, kind, Interest{Ports: []matcher.Port{{Number: 9, Proto: matcher.UDP}}})
		run(b, r, newLinkSender(b))
	})
}

// newLinkSender sends a whole datagram into the far end of the veth pair, so
// that it comes in at wan.
func newLinkSender(b testing.TB) *udpSender {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Error(err)
	}
	return &udpSender{t: b, fd: fd}
}

func linkAddress(t testing.TB, name string) *unix.SockaddrLinklayer {
	broadcast := [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	return &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: linkOf(t, name).Index, Halen: 6, Addr: broadcast}
}

func wake(b *testing.B, r reader, s *udpSender) {
	to, data := linkAddress(b, "lan"), packet(b, ip4UDP+udp9)
	begin, sent := make(chan struct{}), make(chan time.Time, 1)
	go func() {
		runtime.LockOSThread()
		for range begin {
			time.Sleep(time.Millisecond) // the reader sleeps by now
			sent <- time.Now()
			unix.Sendto(s.fd, data, 0, to)
		}
	}()
	var took []time.Duration
	for b.Loop() {
		begin <- struct{}{}
		for !readable(b, r.fd) || r.read(parseOnly) == 0 {
		}
		took = append(took, time.Since(<-sent))
	}
	close(begin)
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "ns-p99")
}

func flood(b *testing.B, r reader, s *udpSender) {
	to, data := linkAddress(b, "lan"), packet(b, ip4UDP+udp9)
	const packets = 200_000
	got, cpu := 0, time.Duration(0)
	for b.Loop() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range packets {
				unix.Sendto(s.fd, data, 0, to)
			}
		}()
		before := threadTime(b)
		for sending := true; sending; {
			select {
			case <-done:
				sending = false
			default:
			}
			unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, 10)
			for n := r.read(parseOnly); n > 0; n = r.read(parseOnly) {
				got += n
			}
		}
		cpu += threadTime(b) - before
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(got), "cpu-ns/packet")
	b.ReportMetric(100*(1-float64(got)/float64(b.N*packets)), "%lost")
}

func parseOnly(b []byte) {
	var p matcher.Packet
	Parse(b, &p)
}

func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

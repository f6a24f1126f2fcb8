package afpacket

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

const (
	// BatchSize is how many packets one Read takes at the most.
	BatchSize = 64

	// receiveBuffer is what the kernel may queue for the socket. It doubles the
	// value and counts some 800 bytes a packet (socket(7), SO_RCVBUF): about
	// 5,000 packets, 100 ms of a flood of 50,000 a second. Unlike a ring it
	// takes memory only for packets that wait.
	receiveBuffer = 2 << 20
)

// ErrDown is returned by Read once each time the interface went down. The
// socket stays bound: it hears again when the interface comes up, unless the
// interface is gone.
var ErrDown = errors.New("interface is down")

// Counts are a socket's packets since Listen.
type Counts struct {
	Passed  uint64 // by the filter
	Dropped uint64 // of these, lost because the receive buffer was full
}

// Socket is a packet socket on one interface. It is not safe for concurrent
// use.
type Socket struct {
	fd       int
	index    int // of the interface
	name     string
	counts   Counts
	messages [BatchSize]message
	vectors  [BatchSize]unix.Iovec
	buffers  [BatchSize][MaxHeaders]byte
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
}

// Listen opens a socket that hears what in describes on the named interface.
// Errors say what to do about them; with errors.Is they are fs.ErrPermission
// or unix.ENODEV where that is the cause.
func Listen(name string, in Interest) (*Socket, error) {
	s, err := listen(name, in)
	if err != nil {
		return nil, fault.New("listen on "+name, explain(err))
	}
	return s, nil
}

func listen(name string, in Interest) (_ *Socket, err error) {
	// Protocol 0 hears nothing: no packet slips in before the filter.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	index, err := interfaceIndex(fd, name)
	if err != nil {
		return nil, err
	}
	s := &Socket{fd: fd, index: index, name: name}
	if err := s.SetFilter(in); err != nil {
		return nil, err
	}
	// More than the default needs CAP_NET_ADMIN; without it the limit of
	// net.core.rmem_max holds, and a full buffer shows in Counts.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	bind := unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index}
	if err := unix.Bind(fd, &bind); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	for i := range s.messages {
		s.vectors[i].Base = &s.buffers[i][0]
		s.vectors[i].SetLen(MaxHeaders)
		s.messages[i].header.Iov = &s.vectors[i]
		s.messages[i].header.SetIovlen(1)
	}
	return s, nil
}

// SetFilter replaces the filter. No packet is lost in between: the kernel swaps
// the programs. Where there is no memory for two of them, all packets pass for
// a moment, for Parse and the doors to decide.
func (s *Socket) SetFilter(in Interest) error {
	// Linux 4.20. Without it the kernel copies every packet sent for this
	// socket, for the filter to reject.
	dropSent := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) != nil
	err := s.attach(Filter(in, dropSent, MaxInstructions))
	// A socket's filters, the old one included, may not take more than
	// net.core.optmem_max: 10 kB on 32-bit machines, which is less than two of
	// the shortest, and 20 kB on others before Linux 6.5.
	if err == unix.ENOMEM {
		if err := s.attach(passAll(dropSent)); err != nil {
			return os.NewSyscallError("attach the filter", err)
		}
	}
	for max := MaxInstructions; err == unix.ENOMEM && max >= minInstructions; max /= 2 {
		err = s.attach(Filter(in, dropSent, max))
	}
	return os.NewSyscallError("attach the filter", err)
}

// attach returns ENOMEM as it is.
func (s *Socket) attach(program []Instruction) error {
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, fprog(program))
}

func fprog(program []Instruction) *unix.SockFprog {
	filter := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		filter[i] = unix.SockFilter(ins)
	}
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
}

// FD returns the descriptor to poll for reading.
func (s *Socket) FD() int { return s.fd }

// Name returns the interface's name, as given to Listen.
func (s *Socket) Name() string { return s.name }

// Read takes up to 64 waiting packets from the kernel and returns how many. It
// does not wait; 0 says that there are none. Packet returns them until the
// next Read.
func (s *Socket) Read() (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.messages[0])), BatchSize, unix.MSG_DONTWAIT, 0, 0)
		runtime.KeepAlive(s)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		case unix.ENETDOWN:
			return 0, ErrDown
		default:
			return 0, fault.New("read packets on "+s.name, explain(errno))
		}
	}
}

// Packet returns the captured bytes of packet i of the last Read, from the IP
// header on.
func (s *Socket) Packet(i int) []byte {
	return s.buffers[i][:min(s.messages[i].length, MaxHeaders)]
}

// Counts asks the kernel for its counters.
func (s *Socket) Counts() (Counts, error) {
	// Reading resets the kernel's counters (packet(7), PACKET_STATISTICS).
	st, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return s.counts, fault.New("count packets on "+s.name, err)
	}
	s.counts.Passed += uint64(st.Packets)
	s.counts.Dropped += uint64(st.Drops)
	return s.counts, nil
}

// Close ends the socket.
func (s *Socket) Close() error { return unix.Close(s.fd) }

// Exists reports whether the interface that the socket is bound to is there,
// under any name. An interface that goes is down a moment before: ErrDown can
// come while it still exists, and then comes no more.
func (s *Socket) Exists() bool {
	var req unix.Ifreq
	req.SetUint32(uint32(s.index))
	return unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, &req) == nil
}

// Up reports whether the interface that the socket is bound to is up.
func (s *Socket) Up() bool {
	var req unix.Ifreq
	req.SetUint32(uint32(s.index))
	if unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, &req) != nil {
		return false
	}
	// The name stays in the request, the answer takes the index's place.
	return unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, &req) == nil && req.Uint16()&unix.IFF_UP != 0
}

func interfaceIndex(fd int, name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, errors.New(strconv.Quote(name) + " cannot be an interface's name (1 to " + strconv.Itoa(unix.IFNAMSIZ-1) + " bytes)")
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return 0, os.NewSyscallError("look up the interface", err)
	}
	return int(int32(req.Uint32())), nil
}

// explain adds to an error what a user can do about it.
func explain(err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.EPERM):
		advice = "packet sockets need CAP_NET_RAW: start as root, or give the program or service that capability"
	case errors.Is(err, unix.ENODEV):
		advice = "the interfaces here are: " + interfaces() + "; name one with -i or Interface"
	case errors.Is(err, unix.EAFNOSUPPORT):
		advice = "the kernel has no packet sockets: load the module af_packet (CONFIG_PACKET)"
	case errors.Is(err, unix.ENOPROTOOPT):
		advice = "the kernel lacks a feature of packet sockets: CONFIG_PACKET and socket filters are needed"
	default:
		return err
	}
	return &explained{err, advice}
}

// explained is an error with advice behind it.
type explained struct {
	cause  error
	advice string
}

func (e *explained) Error() string { return e.cause.Error() + " (" + e.advice + ")" }

func (e *explained) Unwrap() error { return e.cause }

// interfaces lists the interfaces of this network namespace, which /sys may not
// show.
func interfaces() string {
	f, err := os.Open("/proc/thread-self/net/dev")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return "unknown"
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return strings.Join(names, ", ")
}

// htons returns v in network byte order, which bind wants of a protocol
// (packet(7)).
func htons(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

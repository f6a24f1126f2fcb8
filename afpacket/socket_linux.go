package afpacket

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
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

// Any is the interface that Listen takes for all that there are and will be.
var Any = Link{Name: "any", Up: true}

// Counts are a socket's packets since Listen.
type Counts struct {
	Passed  uint64 // by the filter
	Dropped uint64 // of these, lost because the receive buffer was full
}

// Socket is a packet socket on one interface or on all. It is not safe for
// concurrent use.
type Socket struct {
	fd     int
	name   string
	counts Counts
}

// Batch holds the packets of one Read. One does for any number of sockets.
type Batch struct {
	messages [BatchSize]message
	vectors  [BatchSize]unix.Iovec
	from     [BatchSize]unix.RawSockaddrLinklayer
	buffers  [BatchSize][MaxHeaders]byte
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
}

// NewBatch returns a batch without packets.
func NewBatch() *Batch {
	b := &Batch{}
	for i := range b.messages {
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(MaxHeaders)
		header := &b.messages[i].header
		header.Iov = &b.vectors[i]
		header.SetIovlen(1)
		header.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		header.Namelen = unix.SizeofSockaddrLinklayer
	}
	return b
}

// Packet returns the captured bytes of packet i of the last Read, from the IP
// header on. They are valid until the next.
func (b *Batch) Packet(i int) []byte {
	return b.buffers[i][:min(b.messages[i].length, MaxHeaders)]
}

// Link returns the index of the interface that packet i came in on.
func (b *Batch) Link(i int) int { return int(b.from[i].Ifindex) }

// Listen opens a socket that hears what c lets through on a link, which need not
// be up, or on Any. Errors say what to do about them; with errors.Is they are
// fs.ErrPermission, or unix.ENODEV when the link is gone.
func Listen(link Link, c *Compiled) (*Socket, error) {
	s, err := listen(link, c)
	if err != nil {
		return nil, fault.New("listen on "+link.Name, explain(err))
	}
	return s, nil
}

// Allowed reports why this process cannot listen on any interface, nil if it
// can.
func Allowed() error {
	fd, err := packetSocket()
	if err != nil {
		return fault.New("listen on the network", explain(err))
	}
	return unix.Close(fd)
}

// packetSocket hears nothing yet, as it has no protocol: no packet slips in
// before the filter.
func packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

func listen(link Link, c *Compiled) (_ *Socket, err error) {
	fd, err := packetSocket()
	if err != nil {
		return nil, err
	}
	s := &Socket{fd: fd, name: link.Name}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := s.SetFilter(c); err != nil {
		return nil, err
	}
	// More than the default needs CAP_NET_ADMIN; without it the limit of
	// net.core.rmem_max holds, and a full buffer shows in Counts.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	bind := unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: link.Index}
	if err := unix.Bind(fd, &bind); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	return s, nil
}

// Compiled is an Interest as a filter, which is made once for any number of
// sockets. It is not safe for concurrent use.
type Compiled struct {
	in       Interest
	dropSent bool
	max, fit int // instructions that the filter may have, and that the kernel takes
	filter   []unix.SockFilter
}

// Compile prepares a filter; what in refers to must not change any more.
func Compile(in Interest) *Compiled { return &Compiled{in: in, fit: MaxInstructions} }

// program returns the filter, the one from before if nothing has changed.
func (c *Compiled) program(dropSent bool, max int) []unix.SockFilter {
	if c.filter == nil || c.dropSent != dropSent || c.max != max {
		c.filter, c.dropSent, c.max = sockFilter(Filter(c.in, dropSent, max)), dropSent, max
	}
	return c.filter
}

// SetFilter replaces the filter. No packet is lost in between: the kernel swaps
// the programs. Where there is no memory for two of them, all packets pass for
// a moment, for Parse and the doors to decide.
func (s *Socket) SetFilter(c *Compiled) error {
	// Linux 4.20. Without it the kernel copies every packet sent for this
	// socket, for the filter to reject.
	dropSent := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) != nil
	err := s.attach(c.program(dropSent, c.fit))
	// A socket's filters, the old one included, may not take more than
	// net.core.optmem_max: 10 kB on 32-bit machines, which is less than two of
	// the shortest, and 20 kB on others before Linux 6.5.
	if err == unix.ENOMEM {
		if err := s.attach(sockFilter(passAll(dropSent))); err != nil {
			return os.NewSyscallError("attach the filter", err)
		}
	}
	for max := c.fit; err == unix.ENOMEM && max >= minInstructions; max /= 2 {
		c.fit = max
		err = s.attach(c.program(dropSent, max))
	}
	return os.NewSyscallError("attach the filter", err)
}

// attach returns ENOMEM as it is.
func (s *Socket) attach(filter []unix.SockFilter) error {
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

func sockFilter(program []Instruction) []unix.SockFilter {
	filter := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		filter[i] = unix.SockFilter(ins)
	}
	return filter
}

// FD returns the descriptor to poll for reading.
func (s *Socket) FD() int { return s.fd }

// Read takes up to BatchSize waiting packets from the kernel into b and returns
// how many. It does not wait; 0 says that there are none. A link that goes down
// is no error: the socket stays bound and hears again when the link is up.
func (s *Socket) Read(b *Batch) (int, error) {
	for range 3 {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&b.messages[0])), BatchSize, unix.MSG_DONTWAIT, 0, 0)
		runtime.KeepAlive(b)
		switch errno {
		case 0:
			for i := range n { // the kernel wrote how long each address is
				b.messages[i].header.Namelen = unix.SizeofSockaddrLinklayer
			}
			return int(n), nil
		case unix.EINTR, unix.ENETDOWN: // the latter is said once
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, fault.New("read packets on "+s.name, explain(errno))
		}
	}
	return 0, nil
}

// Bound reports whether the socket is bound to the link with this index still.
// One whose link was deleted never hears again, even if there is a new link of
// the same name and index.
func (s *Socket) Bound(index int) bool {
	var at unix.RawSockaddrLinklayer
	size := uint32(unix.SizeofSockaddrLinklayer)
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(s.fd), uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)))
	return errno != 0 || int(at.Ifindex) == index
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

// explain adds to an error what a user can do about it.
func explain(err error) error {
	advice := ""
	switch {
	case errors.Is(err, unix.EPERM):
		advice = "packet sockets need CAP_NET_RAW: start as root, or give the program or service that capability"
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

// htons returns v in network byte order, which bind wants of a protocol
// (packet(7)).
func htons(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

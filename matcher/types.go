package matcher

import "time"

// Time is an instant in nanoseconds on a monotonic clock that also counts the
// time the machine was suspended (CLOCK_BOOTTIME, clock_gettime(2)). Only
// differences and order have a meaning; an instant is not a date.
type Time int64

// Add returns t+d. It saturates at the largest instant instead of wrapping.
func (t Time) Add(d time.Duration) Time {
	if s := t + Time(d); d < 0 || s >= t {
		return s
	}
	return Never
}

// Never is later than every instant that a clock reports.
const Never Time = 1<<63 - 1

// Proto is an IP protocol number (IANA "Assigned Internet Protocol Numbers").
type Proto uint8

// The two protocols that carry knocks.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// String returns knockd's word for the protocol: "tcp" or "udp".
func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "proto?"
}

// Port is one knock of a sequence: a port of one protocol. Number 0 is not a
// port that a knock can be sent to.
type Port struct {
	Number uint16
	Proto  Proto
}

// The TCP header's flag bits, byte 13 of the header (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Flags says which TCP flags a packet must carry and which it must not. The
// zero value accepts every packet. Bits in neither mask do not matter, so Set:
// SYN alone also accepts SYN+ACK.
type Flags struct {
	Set, Clear uint8
}

// Accept reports whether a packet of protocol p with TCP flag byte b is
// looked at. Flags say nothing about UDP: every UDP packet is accepted.
func (f Flags) Accept(p Proto, b uint8) bool {
	return p != TCP || b&f.Set == f.Set && b&f.Clear == 0
}

// MaxSequence is the largest number of knocks in a sequence, knockd's own
// limit (SEQ_MAX in its source).
const MaxSequence = 32

// Door is what the matcher needs to know of a door. It identifies doors by
// their index in the slice it was given and knows no names and no commands.
type Door struct {
	Sequence []Port        // 1 to MaxSequence knocks; empty: the door cannot be opened
	Flags    Flags         // TCP packets that do not match are as if never sent
	Timeout  time.Duration // from the first knock to the last, more than 0 unless there is only one
	Cooldown time.Duration // after an opening, how long the door does not open again for anyone; 0: none
	Target   Addr          // the destination of the knocks; zero: any of the machine's own addresses
	Wide     uint8         // how many of the last bits of Target do not matter, and are 0: a network
}

// Packet is one knock as it came in.
type Packet struct {
	Src, Dst Addr
	Port     Port  // destination
	Flags    uint8 // TCP only: byte 13 of the header
	Local    bool  // Dst is an address of this machine
}

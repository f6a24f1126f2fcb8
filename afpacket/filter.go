package afpacket

import (
	"slices"

	"sesame/matcher"
)

const (
	// MaxInstructions is the largest program that the kernel takes
	// (linux/bpf_common.h, BPF_MAXINSNS).
	MaxInstructions = 4096

	// minInstructions is a limit that the program keeps to with any ports.
	minInstructions = 288

	// decoyShare is for how many instructions beyond minInstructions a program that
	// is too long has one decoy. A decoy takes two to three.
	decoyShare = 20

	// MaxHeaders is how many bytes of a packet are captured at the most. IPv4
	// needs 80; IPv6 headers beyond it are not walked.
	MaxHeaders = 256

	// extensionSteps is how many IPv6 extension headers the filter walks. A
	// packet with more is passed up for Parse to decide.
	extensionSteps = 6

	etherIP4 = 0x0800 // linux/if_ether.h
	etherIP6 = 0x86dd

	packetOutgoing = 4 // linux/if_packet.h, PACKET_OUTGOING

	scratchProto = 0 // the scratch memory cell that holds the protocol
)

// Interest is what the filter lets through: the first fragments of TCP and UDP
// packets to Ports, TCP ones only if they match Flags, and of those to Decoys,
// TCP ones only if they begin a connection.
type Interest struct {
	Ports  []matcher.Port
	Flags  matcher.Flags
	Decoys []matcher.Port
	Only4  bool // no IPv6
}

// begins are the flags of a packet that begins a connection (RFC 9293, section
// 3.5).
var begins = matcher.Flags{Set: matcher.SYN, Clear: matcher.ACK}

// Filter returns a program for a SOCK_DGRAM packet socket that passes what in
// describes, cut after the TCP or UDP header. The program has at most max
// instructions (0: MaxInstructions). Where the ports do not fit, decoys are left
// out, evenly, and then the closest neighbours among the ports are joined to
// ranges: it passes some packets to other ports then, never fewer. With dropSent it rejects what this machine sends
// itself, for kernels that cannot be told so (PACKET_IGNORE_OUTGOING, 4.20).
func Filter(in Interest, dropSent bool, max int) []Instruction {
	if max == 0 || max > MaxInstructions {
		max = MaxInstructions
	}
	doors, decoys := portRanges(in.Ports, false), portRanges(in.Decoys, true)
	least := (max - minInstructions) / decoyShare // decoys
	for {
		program := build(in, merge(doors, decoys), dropSent)
		excess := len(program) - max
		// A port takes two to three instructions: near enough to the most that fit.
		fewer := (excess + 2) / 3
		switch {
		case excess <= 0:
			return program
		case len(decoys) > least:
			decoys = thin(decoys, len(decoys)-min(fewer, len(decoys)-least))
		case len(doors) > 2:
			doors = joinNearest(doors, len(doors)-fewer)
		default:
			return program
		}
	}
}

// merge returns both sorted, without decoys that lie in a range of doors.
func merge(doors, decoys []portRange) []portRange {
	all := make([]portRange, 0, len(doors)+len(decoys))
	for _, d := range decoys {
		for len(doors) > 0 && doors[0].before(d) {
			all, doors = append(all, doors[0]), doors[1:]
		}
		if len(doors) == 0 || d.before(doors[0]) {
			all = append(all, d)
		}
	}
	return append(all, doors...)
}

// thin returns n of the ranges, evenly spread.
func thin(ranges []portRange, n int) []portRange {
	kept := make([]portRange, n)
	for i := range kept {
		kept[i] = ranges[i*len(ranges)/n]
	}
	return kept
}

// portRange is a run of ports of one protocol, both ends in it.
type portRange struct {
	proto  matcher.Proto
	lo, hi uint16
	decoy  bool
}

// before reports whether all of r comes before the beginning of o.
func (r portRange) before(o portRange) bool {
	return r.proto < o.proto || r.proto == o.proto && r.hi < o.lo
}

// portRanges returns the ports as ranges, sorted by protocol and port.
func portRanges(ports []matcher.Port, decoy bool) []portRange {
	keys := make([]uint32, len(ports))
	for i, p := range ports {
		keys[i] = uint32(p.Proto)<<16 | uint32(p.Number)
	}
	slices.Sort(keys)
	var ranges []portRange
	for _, k := range keys {
		p := portRange{matcher.Proto(k >> 16), uint16(k), uint16(k), decoy}
		if n := len(ranges); n > 0 && ranges[n-1].proto == p.proto && int(p.lo) <= int(ranges[n-1].hi)+1 {
			ranges[n-1].hi = p.hi
			continue
		}
		ranges = append(ranges, p)
	}
	return ranges
}

// joinNearest joins neighbours with the smallest gaps until at most n ranges
// are left, or one a protocol.
func joinNearest(ranges []portRange, n int) []portRange {
	var gaps []uint32 // width, and index of the range behind it
	for i := 1; i < len(ranges); i++ {
		if ranges[i-1].proto == ranges[i].proto {
			gaps = append(gaps, uint32(ranges[i].lo-ranges[i-1].hi)<<16|uint32(i))
		}
	}
	slices.Sort(gaps)
	join := make([]bool, len(ranges))
	for _, gap := range gaps[:min(len(gaps), max(0, len(ranges)-n))] {
		join[gap&0xffff] = true
	}
	var joined []portRange
	for i, r := range ranges {
		if join[i] {
			joined[len(joined)-1].hi = r.hi
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}

// passAll returns a program for the moment in which there is no other.
func passAll(dropSent bool) []Instruction {
	b := &builder{}
	b.add(op(returnK, 0))
	reject := b.here()
	b.add(op(returnK, MaxHeaders))
	if dropSent {
		b.jumpIf(jumpEqual, packetOutgoing, reject, b.here())
		b.add(op(loadWord, ancillaryType))
	}
	return b.program()
}

// build writes the program, last part first. Every part returns the label at
// which it begins, the first instruction so far.
//
// Most packets are of no interest, and pay for the way to that verdict: flags
// that no port takes end it at once, then comes the search for the port, and
// what is left to be known of a packet is looked at behind it. Headers at their
// usual places are read without X, which is the cheaper load (the kernel inlines
// it: net/core/filter.c, convert_bpf_ld_abs).
func build(in Interest, ranges []portRange, dropSent bool) []Instruction {
	b := &builder{}
	b.add(op(returnK, 0))
	reject := b.here()
	b.add(op(copyXToA, 0), op(addK, tcpHeader), op(returnA, 0))
	accept := b.here()

	udp := slices.IndexFunc(ranges, func(r portRange) bool { return r.proto == matcher.UDP })
	if udp < 0 {
		udp = len(ranges)
	}
	isUDP, isTCP := target{at: reject}, target{at: reject}
	if tcp := ranges[:udp]; len(tcp) > 0 {
		isTCP.flags = commonFlags(in.Flags, tcp)
		door := b.whole(tcpHeader, in.Flags, isTCP.flags, accept, reject)
		decoy := b.whole(tcpHeader, begins, isTCP.flags, accept, reject)
		isTCP.at = b.search(tcp, door, decoy, reject)
	}
	if udp := ranges[udp:]; len(udp) > 0 {
		whole := b.whole(udpHeader, matcher.Flags{}, matcher.Flags{}, accept, reject)
		isUDP.at = b.search(udp, whole, whole, reject)
	}

	anywhere := b.transport(behindX, isTCP, isUDP, reject, reject)
	is6 := reject
	if !in.Only4 {
		is6 = b.header6(anywhere, isTCP, isUDP, reject)
	}
	is4 := b.header4(anywhere, isTCP, isUDP, reject)
	not4 := b.jumpIf(jumpEqual, etherIP6, is6, reject)
	b.jumpIf(jumpEqual, etherIP4, is4, not4)
	b.add(op(loadWord, ancillaryProtocol))
	if dropSent {
		b.jumpIf(jumpEqual, packetOutgoing, reject, b.here())
		b.add(op(loadWord, ancillaryType))
	}
	return b.program()
}

// commonFlags returns what all of the TCP ports ask for.
func commonFlags(doors matcher.Flags, ranges []portRange) matcher.Flags {
	f := matcher.Flags{Set: 0xff, Clear: 0xff}
	for _, r := range ranges {
		of := doors
		if r.decoy {
			of = begins
		}
		f.Set, f.Clear = f.Set&of.Set, f.Clear&of.Clear
	}
	return f
}

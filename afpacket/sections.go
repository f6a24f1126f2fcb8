package afpacket

import "sesame/matcher"

// The parts of the filter. In those behind the IP header, X is the offset of
// the header at hand. A load beyond the packet's end rejects the packet
// (linux/Documentation/networking/filter.rst).

// behindX is the place of a transport header whose offset is in X.
const behindX = -1

// target is where a packet of a protocol goes on: with its port in A, and if it
// has these flags.
type target struct {
	flags matcher.Flags
	at    *label
}

// search looks the port in A up in sorted ranges, by halves, and goes on at door
// or decoy, by the kind of the range, or at others.
func (b *builder) search(ranges []portRange, door, decoy, others *label) *label {
	if len(ranges) > 1 {
		half := len(ranges) / 2
		upper := b.search(ranges[half:], door, decoy, others)
		lower := b.search(ranges[:half], door, decoy, others)
		return b.jumpIf(jumpGreaterEqual, uint32(ranges[half].lo), upper, lower)
	}
	r, found := ranges[0], door
	if r.decoy {
		found = decoy
	}
	if r.lo == r.hi {
		return b.jumpIf(jumpEqual, uint32(r.lo), found, others)
	}
	notAbove := b.jumpIf(jumpGreater, uint32(r.hi), others, found)
	return b.jumpIf(jumpGreaterEqual, uint32(r.lo), notAbove, others)
}

// whole wants size bytes of the header at X to be there, and flags unless they
// are known.
func (b *builder) whole(size uint32, flags, known matcher.Flags, accept, reject *label) *label {
	if flags != known {
		accept = b.flags(behindX, flags, accept, reject)
	}
	b.jump(accept)
	b.add(op(loadByteX, size-1))
	return b.here()
}

// flags decides on the TCP flags of the header at a place.
func (b *builder) flags(at int, f matcher.Flags, accept, reject *label) *label {
	if f.Set|f.Clear == 0 {
		return accept
	}
	switch {
	case f.Set == 0:
		b.jumpIf(jumpBits, uint32(f.Clear), reject, accept)
	case f.Clear == 0 && f.Set&(f.Set-1) == 0:
		b.jumpIf(jumpBits, uint32(f.Set), accept, reject)
	default:
		b.jumpIf(jumpEqual, uint32(f.Set&^f.Clear), accept, reject)
		b.add(op(andK, uint32(f.Set|f.Clear)))
	}
	b.add(b.load(loadByte, at, tcpFlags))
	return b.here()
}

// load returns the load of a field of a transport header.
func (b *builder) load(code uint16, at int, field uint32) Instruction {
	if at == behindX {
		return op(code^toIndirect, field)
	}
	return op(code, uint32(at)+field)
}

// transport branches on the protocol in A, with the header at a place. Those
// without ports go on at others.
func (b *builder) transport(at int, tcp, udp target, others, reject *label) *label {
	port := func(t target) *label {
		if t.at == reject {
			return reject
		}
		b.jump(t.at)
		b.add(b.load(loadHalf, at, dstPort))
		return b.flags(at, t.flags, b.here(), reject)
	}
	isTCP, isUDP := port(tcp), port(udp)
	notTCP := b.jumpIf(jumpEqual, uint32(matcher.UDP), isUDP, others)
	return b.jumpIf(jumpEqual, uint32(matcher.TCP), isTCP, notTCP)
}

// header4 reads an IPv4 header, first fragments only. With options it goes on at
// transport.
func (b *builder) header4(transport *label, tcp, udp target, reject *label) *label {
	b.jump(transport)
	b.add(op(loadHeaderLength, 0), op(loadByte, ip4Proto))
	withOptions := b.first(reject)
	// Version 4 and a header length of 6 to 15 words.
	withOptions = b.jumpIf(jumpGreater, 0x4f, reject, withOptions)
	withOptions = b.jumpIf(jumpGreaterEqual, 0x46, withOptions, reject)

	b.transport(ip4Header, tcp, udp, reject, reject)
	b.add(op(loadByte, ip4Proto), op(setX, ip4Header))
	plain := b.first(reject)
	b.jumpIf(jumpEqual, 0x45, plain, withOptions)
	b.add(op(loadByte, 0))
	return b.here()
}

// first rejects all fragments but first ones.
func (b *builder) first(reject *label) *label {
	b.jumpIf(jumpBits, 0x1fff, reject, b.here())
	b.add(op(loadHalf, ip4FragOff))
	return b.here()
}

// header6 reads an IPv6 header, and the extension headers behind it where there
// are any.
func (b *builder) header6(transport *label, tcp, udp target, reject *label) *label {
	b.add(op(returnK, MaxHeaders))
	more := b.here()
	next := b.extension(more, more, more, transport)
	for range extensionSteps {
		next = b.step(next, transport, reject)
	}
	b.jump(next)
	b.add(op(storeScratch, scratchProto))
	b.transport(ip6Header, tcp, udp, b.here(), reject)
	b.add(op(loadByte, ip6Next), op(setX, ip6Header))
	payload := b.here()
	b.jumpIf(jumpEqual, 0, reject, payload) // a jumbogram's length
	b.add(op(loadHalf, ip6Length))
	version := b.here()
	b.jumpIf(jumpEqual, 0x60, version, reject)
	b.add(
		op(loadByte, 0),
		op(andK, 0xf0),
	)
	return b.here()
}

// step walks one extension header and goes on at next, or at transport when
// there is none.
func (b *builder) step(next, transport, reject *label) *label {
	// The new offset is in A.
	b.jump(next)
	b.add(op(copyAToX, 0))
	move := b.here()

	b.jump(move)
	b.add(op(copyXToA, 0), op(addK, ip6FragSize))
	b.nextHeader()
	first := b.here()
	b.jumpIf(jumpBits, 0xfff8, reject, first)
	b.add(op(loadHalfX, 2))
	isFragment := b.here()

	isAuth := b.lengthField(move, 2, 2)
	isOptions := b.lengthField(move, 1, 3)
	return b.extension(isOptions, isFragment, isAuth, transport)
}

// extension branches on the next header.
func (b *builder) extension(options, frag, auth, transport *label) *label {
	next := transport
	for _, header := range []struct {
		number uint32
		is     *label
	}{{authHeader, auth}, {fragment, frag}, {destOptions, options}, {routing, options}, {hopByHop, options}} {
		next = b.jumpIf(jumpEqual, header.number, header.is, next)
	}
	b.add(op(loadScratch, scratchProto))
	return b.here()
}

// lengthField adds (length + plus) << shift to the offset, in A.
func (b *builder) lengthField(move *label, plus, shift uint32) *label {
	b.jump(move)
	b.add(
		op(loadByteX, 1),
		op(addK, plus),
		op(shiftLeftK, shift),
		op(addX, 0),
	)
	b.nextHeader()
	// The least that every extension header has, as Parse wants it.
	b.add(op(loadByteX, ip6FragSize-1))
	return b.here()
}

// nextHeader stores an extension header's next header.
func (b *builder) nextHeader() {
	b.add(
		op(loadByteX, 0),
		op(storeScratch, scratchProto),
	)
}

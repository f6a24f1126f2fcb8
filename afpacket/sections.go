package afpacket

import "sesame/matcher"

// The parts of the filter. In those behind the IP header, X is the offset of
// the header at hand. A load beyond the packet's end rejects the packet
// (linux/Documentation/networking/filter.rst).

// ports decides on the destination port; what is in none of the ranges goes on
// at others. size bytes of the transport header must be there.
func (b *builder) ports(ranges []portRange, accept, others *label, size uint32) *label {
	if len(ranges) == 0 {
		return others
	}
	b.search(ranges, accept, others)
	b.add(
		op(loadByteX, size-1),
		op(loadHalfX, dstPort),
	)
	return b.here()
}

// search looks the port in A up in sorted ranges, by halves.
func (b *builder) search(ranges []portRange, accept, reject *label) *label {
	if len(ranges) > 1 {
		half := len(ranges) / 2
		upper := b.search(ranges[half:], accept, reject)
		lower := b.search(ranges[:half], accept, reject)
		return b.jumpIf(jumpGreaterEqual, uint32(ranges[half].lo), upper, lower)
	}
	r := ranges[0]
	if r.lo == r.hi {
		return b.jumpIf(jumpEqual, uint32(r.lo), accept, reject)
	}
	notAbove := b.jumpIf(jumpGreater, uint32(r.hi), reject, accept)
	return b.jumpIf(jumpGreaterEqual, uint32(r.lo), notAbove, reject)
}

// flags decides on the TCP flags.
func (b *builder) flags(f matcher.Flags, accept, reject *label) *label {
	if f.Set|f.Clear == 0 {
		return accept
	}
	b.jumpIf(jumpEqual, uint32(f.Set&^f.Clear), accept, reject)
	b.add(
		op(loadByteX, tcpFlags),
		op(andK, uint32(f.Set|f.Clear)),
	)
	return b.here()
}

// header4 reads an IPv4 header, first fragments only.
func (b *builder) header4(transport, reject *label) *label {
	b.jump(transport)
	b.add(
		op(loadByte, ip4Proto),
		op(storeScratch, scratchProto),
		op(loadHeaderLength, 0),
	)
	first := b.here()
	b.jumpIf(jumpBits, 0x1fff, reject, first)
	b.add(op(loadHalf, ip4FragOff))
	ihl := b.here()
	// Version 4 and a header length of 5 to 15 words.
	version := b.jumpIf(jumpGreater, 0x4f, reject, ihl)
	b.jumpIf(jumpGreaterEqual, 0x45, version, reject)
	b.add(op(loadByte, 0))
	return b.here()
}

// header6 reads an IPv6 header and the extension headers behind it.
func (b *builder) header6(transport, reject *label) *label {
	b.add(op(returnK, MaxHeaders))
	more := b.here()
	next := b.extension(more, more, more, transport)
	for range extensionSteps {
		next = b.step(next, transport, reject)
	}
	b.jump(next)
	b.add(
		op(loadByte, ip6Next),
		op(storeScratch, scratchProto),
		op(setX, ip6Header),
	)
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

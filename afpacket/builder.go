package afpacket

// Instruction is one instruction of a classic BPF program: struct sock_filter
// of linux/filter.h.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8 // of a conditional jump: how many instructions to skip if true, if false
	K      uint32
}

func op(code uint16, k uint32) Instruction { return Instruction{Code: code, K: k} }

// Codes of instructions, and what linux/bpf_common.h puts them together from. A
// and X are the registers, M the scratch memory, P the packet from its IP header
// on. Loads of 16 and 32 bits take them in network byte order.
const (
	loadByte         = 0x30 // A = byte at P[K]: BPF_LD | BPF_B | BPF_ABS
	loadHalf         = 0x28 // A = 16 bits at P[K]: BPF_LD | BPF_H | BPF_ABS
	loadWord         = 0x20 // A = 32 bits at P[K]: BPF_LD | BPF_W | BPF_ABS
	loadByteX        = 0x50 // A = byte at P[X+K]: BPF_LD | BPF_B | BPF_IND
	loadHalfX        = 0x48 // A = 16 bits at P[X+K]: BPF_LD | BPF_H | BPF_IND
	toIndirect       = 0x60 // turns a load at P[K] into one at P[X+K]: BPF_ABS, BPF_IND
	loadScratch      = 0x60 // A = M[K]: BPF_LD | BPF_MEM
	storeScratch     = 0x02 // M[K] = A: BPF_ST
	loadHeaderLength = 0xb1 // X = 4 * (P[K] & 0xf), as IPv4 has it: BPF_LDX | BPF_B | BPF_MSH
	setX             = 0x01 // X = K: BPF_LDX | BPF_IMM
	copyAToX         = 0x07 // BPF_MISC | BPF_TAX
	copyXToA         = 0x87 // BPF_MISC | BPF_TXA
	addK             = 0x04 // A += K: BPF_ALU | BPF_ADD | BPF_K
	addX             = 0x0c // A += X: BPF_ALU | BPF_ADD | BPF_X
	andK             = 0x54 // A &= K: BPF_ALU | BPF_AND | BPF_K
	shiftLeftK       = 0x64 // A <<= K: BPF_ALU | BPF_LSH | BPF_K
	jumpAlways       = 0x05 // skips K instructions: BPF_JMP | BPF_JA
	jumpEqual        = 0x15 // A == K: BPF_JMP | BPF_JEQ | BPF_K
	jumpGreater      = 0x25 // A > K: BPF_JMP | BPF_JGT | BPF_K
	jumpGreaterEqual = 0x35 // A >= K: BPF_JMP | BPF_JGE | BPF_K
	jumpBits         = 0x45 // A & K != 0: BPF_JMP | BPF_JSET | BPF_K
	returnK          = 0x06 // passes K bytes: BPF_RET | BPF_K
	returnA          = 0x16 // passes A bytes: BPF_RET | BPF_A
)

// What the kernel knows of a packet besides its bytes, as K of loadWord
// (linux/filter.h, SKF_AD_OFF and what is added to it).
const (
	ancillaryProtocol = 0xfffff000 + 0 // SKF_AD_PROTOCOL: etherIP4, etherIP6 or another
	ancillaryType     = 0xfffff000 + 4 // SKF_AD_PKTTYPE: packetOutgoing or another
)

// builder assembles a classic BPF program from its end to its beginning. All
// jumps in BPF go forward, so every target is known when its jump is written,
// and so is whether it is too far.
type builder struct {
	reversed []Instruction
}

// maxSkip is how far a conditional jump reaches: its offsets are bytes
// (linux/filter.h, struct sock_filter).
const maxSkip = 255

// label is a place in the program, counted from its end.
type label struct {
	at   int // the place itself
	near int // the place, or a jump to it closer to the beginning
}

// here returns a label for the instruction added last, which is the one that
// stands first so far.
func (b *builder) here() *label {
	return &label{at: len(b.reversed), near: len(b.reversed)}
}

// add puts instructions, given in the order of execution, before the program.
func (b *builder) add(ins ...Instruction) {
	for i := range ins {
		b.reversed = append(b.reversed, ins[len(ins)-1-i])
	}
}

// jumpIf puts a conditional jump before the program. Both ways lead to labels:
// nothing is said of what stands behind the jump.
func (b *builder) jumpIf(code uint16, k uint32, yes, no *label) *label {
	// Bridging yes may move no out of reach, so both are looked at twice.
	for b.bridge(yes) || b.bridge(no) {
	}
	b.add(Instruction{
		Code: code,
		Jt:   uint8(len(b.reversed) - yes.near),
		Jf:   uint8(len(b.reversed) - no.near),
		K:    k,
	})
	return b.here()
}

// jump puts an unconditional jump before the program.
func (b *builder) jump(to *label) *label {
	b.add(op(jumpAlways, uint32(len(b.reversed)-to.at)))
	return b.here()
}

// bridge brings a label within the reach of a conditional jump and reports
// whether it had to. The bridge serves later jumps as well.
func (b *builder) bridge(l *label) bool {
	if len(b.reversed)-l.near <= maxSkip {
		return false
	}
	b.jump(l)
	l.near = len(b.reversed)
	return true
}

// program returns the instructions in the order of execution.
func (b *builder) program() []Instruction {
	p := make([]Instruction, len(b.reversed))
	for i, ins := range b.reversed {
		p[len(p)-1-i] = ins
	}
	return p
}

package afpacket

import "golang.org/x/net/bpf"

// builder assembles a classic BPF program from its end to its beginning. All
// jumps in BPF go forward, so every target is known when its jump is written,
// and so is whether it is too far.
type builder struct {
	reversed []bpf.Instruction
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
func (b *builder) add(ins ...bpf.Instruction) {
	for i := range ins {
		b.reversed = append(b.reversed, ins[len(ins)-1-i])
	}
}

// jumpIf puts a conditional jump before the program. Both ways lead to labels:
// nothing is said of what stands behind the jump.
func (b *builder) jumpIf(cond bpf.JumpTest, val uint32, yes, no *label) *label {
	// Bridging yes may move no out of reach, so both are looked at twice.
	for b.bridge(yes) || b.bridge(no) {
	}
	b.add(bpf.JumpIf{
		Cond: cond, Val: val,
		SkipTrue:  uint8(len(b.reversed) - yes.near),
		SkipFalse: uint8(len(b.reversed) - no.near),
	})
	return b.here()
}

// jump puts an unconditional jump before the program.
func (b *builder) jump(to *label) *label {
	b.add(bpf.Jump{Skip: uint32(len(b.reversed) - to.at)})
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
func (b *builder) program() []bpf.Instruction {
	p := make([]bpf.Instruction, len(b.reversed))
	for i, ins := range b.reversed {
		p[len(p)-1-i] = ins
	}
	return p
}

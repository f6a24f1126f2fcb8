package matcher

import (
	"slices"
	"testing"
)

func anyPort(Port) bool { return true }

func TestDrawDecoys(t *testing.T) {
	doors := []Door{ssh(7000, 7001, 1024), {Sequence: udp(40000)}}
	busy := Port{8080, TCP}
	usable := func(p Port) bool { return p != busy && p.Number != 6999 }
	decoys := DrawDecoys(doors, 256, Key{1, 2}, usable)
	count := map[Proto]int{}
	for i, p := range decoys {
		if p.Number < firstDecoy || !usable(p) || slices.Contains(decoys[:i], p) ||
			slices.Contains(doors[0].Sequence, p) || slices.Contains(doors[1].Sequence, p) {
			t.Errorf("decoy %v", p)
		}
		count[p.Proto]++
	}
	// Beside the random ones: 7002 and 1025, of 6999, 7002, 1023 and 1025.
	if count[TCP] != 256+2 || count[UDP] != 256+2 {
		t.Errorf("drawn: %v", count)
	}
	for _, p := range []Port{{7002, TCP}, {1025, TCP}, {39999, UDP}, {40001, UDP}} {
		if !slices.Contains(decoys, p) {
			t.Errorf("the neighbour %v is none", p)
		}
	}
	if !slices.Equal(decoys, DrawDecoys(doors, 256, Key{1, 2}, usable)) {
		t.Error("the draw does not follow from the key")
	}
	others := DrawDecoys(doors, 256, Key{1, 3}, usable)
	same := 0
	for _, p := range others {
		if slices.Contains(decoys, p) {
			same++
		}
	}
	if same > 20 { // 4 neighbours, and about 2 by chance
		t.Errorf("%d of %d decoys are the same under another key", same, len(others))
	}
}

// TestDrawDecoysProtocols draws none where no door listens.
func TestDrawDecoysProtocols(t *testing.T) {
	for _, p := range DrawDecoys([]Door{ssh(1, 2)}, 256, Key{}, anyPort) {
		if p.Proto != TCP {
			t.Fatalf("drawn: %v", p)
		}
	}
	if got := DrawDecoys(nil, 256, Key{}, anyPort); got != nil {
		t.Errorf("without doors: %v", got)
	}
	if got := DrawDecoys([]Door{ssh(7000, 9000)}, 0, Key{}, anyPort); len(got) != 4 {
		t.Errorf("without random ones: %v, want the neighbours", got)
	}
}

// TestDrawDecoysCrowded ends where hardly a port is left.
func TestDrawDecoysCrowded(t *testing.T) {
	var doors []Door
	for port := 1; port < 65536; port += MaxSequence {
		var d Door
		for p := port; p < min(port+MaxSequence, 65536); p++ {
			d.Sequence = append(d.Sequence, Port{uint16(p), TCP})
		}
		doors = append(doors, d)
	}
	if got := DrawDecoys(doors, 256, Key{}, anyPort); got != nil {
		t.Errorf("drawn: %v", got)
	}
	if got := DrawDecoys([]Door{ssh(65535)}, 100, Key{}, func(p Port) bool { return p.Number >= 65530 }); len(got) > 5 {
		t.Errorf("drawn: %v", got)
	}
}

package matcher

import "testing"

// TestSipHash uses the vector for 16 bytes of input of the reference
// implementation's table: key 00..0f, input 00..0f.
func TestSipHash(t *testing.T) {
	var a Addr
	for i := range a {
		a[i] = byte(i)
	}
	k := Key{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	if got, want := sipHash(k, &a), uint64(0x3f2acc7f57c29bdb); got != want {
		t.Errorf("sipHash = %#x, want %#x", got, want)
	}
}

// TestSipHashSpread checks that the buckets of one key say nothing about those
// of another: addresses that meet under one key part under the next.
func TestSipHashSpread(t *testing.T) {
	const buckets = 1024
	var meet []Addr
	for i := 0; len(meet) < 100; i++ {
		a := v4(10, byte(i>>16), byte(i>>8), byte(i))
		if sipHash(Key{1, 2}, &a)%buckets == 0 {
			meet = append(meet, a)
		}
	}
	used := map[uint64]int{}
	for _, a := range meet {
		used[sipHash(Key{3, 4}, &a)%buckets]++
	}
	if len(used) < 80 {
		t.Errorf("100 addresses of one bucket share %d buckets under another key", len(used))
	}
}

func BenchmarkSipHash(b *testing.B) {
	a := v4(192, 0, 2, 1)
	b.ReportAllocs()
	for b.Loop() {
		a[15] = byte(sipHash(Key{1, 2}, &a))
	}
}

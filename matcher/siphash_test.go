package matcher

import "testing"

// TestSipHash uses values of another implementation: CPython's hash of bytes is
// SipHash-1-3, under a key of zeros when PYTHONHASHSEED is 0.
func TestSipHash(t *testing.T) {
	var count Addr
	for i := range count {
		count[i] = byte(i)
	}
	for _, tt := range []struct {
		a    Addr
		want uint64
	}{
		{count, 0x8972188433a5c5b7},
		{v4(192, 0, 2, 7), 0x2b3e8d3e3f9fb91f},
		{Addr{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 7}, 0x28e5e43b67ea81e1},
	} {
		if got := sipHash(Key{}, &tt.a); got != tt.want {
			t.Errorf("sipHash(%v) = %#x, want %#x", tt.a, got, tt.want)
		}
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

// TestBucketsCannotBeSteered collects sources that meet in one bucket under a key
// that is known. Under another they are as far apart as any.
func TestBucketsCannotBeSteered(t *testing.T) {
	known := newTable(DefaultAttempts, Key{1, 2})
	var chosen []Addr
	for i := 0; len(chosen) < 300; i++ {
		src := v4(byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
		if known.bucket(sipHash(known.key, &src), 0) == 7 {
			chosen = append(chosen, src)
		}
	}
	for seed := range uint64(20) {
		other := newTable(DefaultAttempts, Key{seed, 99})
		met := map[uint32]int{}
		most := 0
		for i := range chosen {
			b := other.bucket(sipHash(other.key, &chosen[i]), 0)
			met[b]++
			most = max(most, met[b])
		}
		if most > 4 {
			t.Errorf("key %d: %d of 300 meet in one bucket", seed, most)
		}
	}
}

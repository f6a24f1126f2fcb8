package exec

import (
	"runtime"
	"testing"
)

// opened returns leases of which n are open, without a command that has run.
func opened(b *testing.B, n int) (*Leases, *Door) {
	b.Helper()
	l, err := NewLeases(Settings{Limits: Limits{AtOnce: DefaultCommands}, MaxOpen: n, Boot: "boot1", Log: func(string) {}}, Instant{Now: 1})
	if err != nil {
		b.Fatal(err)
	}
	d := sshDoor("echo open %IP%", "echo shut %IP%")
	for i := range n {
		free := l.alloc()
		le := l.add(free, d.commands(source(i)), source(i), d.Lease)
		le.id = uint64(i + 1)
		l.started(free)
	}
	return l, d
}

func BenchmarkRenew(b *testing.B) {
	l, d := opened(b, DefaultOpen)
	defer l.Close()
	at := Instant{Now: 1}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at.Now++
		if l.Open(at, d, source(i%DefaultOpen)) != Renewed {
			b.Fatal("not renewed")
		}
	}
}

// BenchmarkMemory reports what each of 65,536 open leases takes.
func BenchmarkMemory(b *testing.B) {
	const leases = 65_536
	before := heap()
	var l *Leases
	for b.Loop() {
		if l != nil {
			l.Close()
		}
		l, _ = opened(b, leases)
	}
	b.ReportMetric(float64(heap()-before)/leases, "B/lease")
	runtime.KeepAlive(l)
	l.Close()
}

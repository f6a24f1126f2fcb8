package exec

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sesame/matcher"
)

// BenchmarkAppend is what a door costs the state file: a record when it is
// opened, one when it is shut.
func BenchmarkAppend(b *testing.B) {
	j, _, err := openJournal(statePath(b), func(line string) { b.Error(line) })
	if err != nil {
		b.Fatal(err)
	}
	defer j.close()
	r := openRecord(0, alice, matcher.Time(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		r.id++
		if err := j.append(&r); err != nil {
			b.Fatal(err)
		}
		if err := j.append(&record{op: opShut, id: r.id}); err != nil {
			b.Fatal(err)
		}
		j.done()
	}
}

// BenchmarkTakeOver starts daemons with a file of many leases, none of them
// overdue.
func BenchmarkTakeOver(b *testing.B) {
	const leases = 65_536
	path := filepath.Join(b.TempDir(), "state")
	data := []byte(stateHeader)
	for i := range leases {
		r := openRecord(uint64(i+1), source(i), matcher.Time(time.Hour))
		data = appendRecord(data, &r)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	s := Settings{MaxOpen: leases, StateFile: path, Boot: "boot1", Log: func(string) {}}
	b.ReportAllocs()
	var held int64
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		l, err := NewLeases(s, Instant{})
		if err != nil || l.Len() != leases {
			b.Fatal(err)
		}
		b.StopTimer()
		held = heap() - before
		l.Close()
		b.StartTimer()
	}
	perRestart := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perRestart/1e6, "ms/restart")
	b.ReportMetric(perRestart/leases, "ns/lease")
	b.ReportMetric(float64(held)/leases, "B/lease")
	b.ReportMetric(float64(len(data))/leases, "file-B/lease")
}

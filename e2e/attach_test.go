package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sesame/e2e/netns"
)

// BenchmarkAttach is the time from the start of the ip command that makes an
// interface and switches it on until the daemon has logged that it listens on
// it, a hundred times: the command's own time is in it.
func BenchmarkAttach(b *testing.B) {
	gw, err := netns.New()
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := gw.Close(); err != nil {
			b.Error(err)
		}
	}()
	p, err := netns.Start(gw.Command(sesame.path, "-i", "dsl", "-c", writeTemp(b, sentinel)))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Kill()
	line := func(text string, n int, err error) {
		b.Helper()
		if err := errors.Join(err, p.Wait(text, func(l string) bool { return strings.HasPrefix(l, text) }, n, netns.Deadline)); err != nil {
			b.Fatal(err)
		}
	}
	line("waiting for dsl", 1, nil)
	var took []time.Duration
	const each = 100
	for b.Loop() {
		for range each {
			began := time.Now()
			line("listening on dsl", len(took)+1, gw.Run("ip", "link", "add", "dsl", "up", "type", "veth", "peer", "name", "xdsl"))
			took = append(took, time.Since(began))
			line("waiting for dsl", len(took)+1, gw.Run("ip", "link", "del", "dsl"))
		}
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op") // of no use here
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "ms-p99")
}

// writeTemp writes a configuration and returns its path.
func writeTemp(b *testing.B, text string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "knockd.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

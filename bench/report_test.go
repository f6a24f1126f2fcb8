package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	got := table{title: "T", head: []string{"", "b"}, rows: [][]string{{"x|y", "two\nlines"}}}.markdown()
	want := "### T\n\n|  | b |\n|---|---|\n| x\\|y | two lines |\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""}, {"one", "one"}, {"one two three", "one two\nthree"}, {"a  b\nc", "a b c"},
		{"averylongword b", "averylongword\nb"}, {"1234 678 0", "1234 678\n0"},
	} {
		if got := wrap(c.text, 8); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestBetween(t *testing.T) {
	text := "before\n" + beginMark + "old\n" + endMark + "after\n"
	want := "before\n" + beginMark + "\nnew\n\n" + endMark + "after\n"
	got, err := between(text, "new\n")
	if err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if again, err := between(got, "new\n"); err != nil || again != want {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, text := range []string{"", beginMark, endMark, endMark + beginMark} {
		if _, err := between(text, "new\n"); err == nil {
			t.Errorf("%q has no place for a table", text)
		}
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte(beginMark+endMark), 0o600); err != nil {
		t.Fatal(err)
	}
	r := report{
		contestants: []*contestant{{name: "a", version: "a 1"}, {name: "b", absent: "n/a: not here"}},
		sections: []section{{
			title: "Things", text: "How.", main: []row{{"thing", map[string]string{"a": "1", "b": "2"}}},
			plots: []plot{{file: "thing.svg", title: "A plot"}},
		}},
	}
	out := filepath.Join(dir, "docs")
	if err := r.publish(options{out: out, readme: readme}); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const main = "|  | a | b |\n|---|---|---|\n| thing | 1 | 2 |\n"
	text := read(filepath.Join(out, "benchmarks.md"))
	for _, want := range []string{main, "## Things\n\nHow.\n", "![A plot](bench/thing.svg)", "| a | a 1 |", "| b | n/a: not here |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if svg := read(filepath.Join(out, "bench", "thing.svg")); !strings.HasPrefix(svg, "<svg") {
		t.Errorf("the plot: %q", svg)
	}
	if got := read(readme); !strings.Contains(got, main) {
		t.Errorf("README: %q", got)
	}
	// A part of the experiments is no main table.
	if err := os.WriteFile(readme, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(options{out: out, readme: readme, only: "idle"}); err != nil || read(readme) != "untouched" {
		t.Errorf("%v; README: %q", err, read(readme))
	}
	if err := r.publish(options{out: out, readme: readme}); err == nil {
		t.Error("a README without marks was taken")
	}
}

func TestProcessor(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: A 1\n\nprocessor\t: 1\nmodel name\t: A 1\n": "2 × A 1",
		"processor\t: 0\n\nModel\t\t: Raspberry Pi 4\n":                            "1 × Raspberry Pi 4",
		"": "0 × unknown",
	} {
		if got := processor(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	const text = "Pss_Dirty: 1 kB\nPss:      12 kB\nvoluntary_ctxt_switches:\t7\nbad: x\n"
	for key, want := range map[string]int{"Pss:": 12, "voluntary_ctxt_switches:": 7} {
		if got, err := number(text, key); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", key, got, err, want)
		}
	}
	for _, key := range []string{"Rss:", "bad:"} {
		if n, err := number(text, key); err == nil {
			t.Errorf("%s: %d", key, n)
		}
	}
}

func TestPacketsIn(t *testing.T) {
	const text = "Inter-|   Receive\n face |bytes    packets errs\n    lo:     0       1 0\n   wan: 5400     100    0    0\n"
	if n, err := packetsIn(text, "wan"); n != 100 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := packetsIn(text, "an"); err == nil {
		t.Errorf("a link that is not there: %d", n)
	}
}

func TestElements(t *testing.T) {
	const text = `table inet guard {
	set open4 {
		type ipv4_addr
		size 65535
		elements = { 198.51.100.1 timeout 10m expires 9m59s996ms, 198.51.100.2 expires 1s,
			     198.51.100.30 expires 1s }
	}
}`
	want := []netip.Addr{nth(honest4, 1), nth(honest4, 2), nth(honest4, 30)}
	if got := elements(text); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := elements("set open4 {\n\ttype ipv4_addr\n}"); len(got) > 0 {
		t.Errorf("an empty set has %v", got)
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose(""); len(got) != len(experiments) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := choose("scan,idle"); !slices.Equal(got, []string{"scan", "idle"}) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := choose("scan,idel"); err == nil {
		t.Errorf("%v", got)
	}
}

func TestFloodReport(t *testing.T) {
	gap := 20 * time.Millisecond
	b := &bench{plan: plan{honest: 50, gap: gap, slowGap: time.Second}}
	b.contestants = []*contestant{{name: "sesame", path: "x"}, {name: "knockd", path: "y", absent: "n/a: gone"}, {name: "nftables"}}
	s := sent{frames: 100_000, elapsed: 2 * time.Second, busy: 200 * time.Millisecond}
	all := map[string][]outcome{
		"sesame": {
			{rate: 0, sent: sent{elapsed: time.Second}, opened: 50, honest: 50, gap: gap, took: upTo(50), cpu: 9 * time.Millisecond},
			{rate: 50_000, sent: s, arrived: 100_000, opened: 50, honest: 50, gap: gap, took: upTo(50), cpu: 50 * time.Millisecond, rss: 12, log: 2500},
			{rate: 200_000, sent: s, arrived: 90_000, opened: 0, honest: 50, gap: gap, ended: "n/a: it ended"},
			{rate: 1000, sent: s, arrived: 100_000, opened: 7, honest: 50, gap: time.Second, took: upTo(7)},
		},
		"nftables": {{rate: 50_000, sent: s, arrived: 100_000, opened: 3, honest: 50, gap: gap, withoutCommands: true, ended: noProcess}},
	}
	got := floodTable(b, floodings[0], all).markdown()
	for _, want := range []string{
		"| 0 | 20ms | sesame | 0 | 50 of 50 | 25.00 | 50.00 | – (9 ms in all) | – | 0 | 0.0 |",
		"| 50000 | 20ms | sesame | 50000 | 50 of 50 | 25.00 | 50.00 | 0.50 | 2.00 | 12 | 2.5 |",
		"| 50000 | 20ms | nftables | 50000 | 3 of 50 | n/a: nftables runs no command |  | n/a: no process | 2.00 | n/a: no process | 0 (logs nothing) |",
		"| 45000 (10000 more were lost on the way) | 0 of 50 | none opened | none opened | n/a: it ended |",
		"| knockd | n/a: gone |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	rows := floodRows(b, map[string]map[string][]outcome{"first": all, "second": all, "udp": all, "ipv6": all})
	cells := map[string]string{}
	for _, r := range rows {
		cells[r.measure] = r.cells["sesame"] + ", " + r.cells["knockd"] + ", " + r.cells["nftables"]
	}
	for measure, want := range map[string]string{
		"at 50k SYN/s: CPU, µs a SYN": "0.50, n/a: gone, n/a: no process",
		"at 50k SYN/s: log grown, kB": "2.5, n/a: gone, 0 (logs nothing)",
	} {
		if cells[measure] != want {
			t.Errorf("%s: %q, want %q; all: %q", measure, cells[measure], want, cells)
		}
	}
	p := floodPlot(b, all)
	if len(p.lines) != 2 || !slices.Equal(p.lines[0].points, [][2]float64{{50_000, 100}, {45_000, 0}}) {
		t.Errorf("plotted: %+v", p.lines)
	}
}

func TestRateName(t *testing.T) {
	for rate, want := range map[int]string{0: "0", 500: "500", 1000: "1k", 1500: "1500", 200_000: "200k"} {
		if got := rateName(rate); got != want {
			t.Errorf("%d: %q, want %q", rate, got, want)
		}
	}
}

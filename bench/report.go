package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// section is what one experiment found.
type section struct {
	title, text string
	tables      []table
	plots       []plot
	main        []row
}

// row is a line of the main table, with a cell for each contestant by name.
type row struct {
	measure string
	cells   map[string]string
}

// table is a table; the title may be missing.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// markdown writes it in GitHub's form.
func (t table) markdown() string {
	var b strings.Builder
	if t.title != "" {
		fmt.Fprintf(&b, "### %s\n\n", t.title)
	}
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + strings.NewReplacer("|", `\|`, "\n", " ").Replace(c) + " ")
		}
		b.WriteString("|\n")
	}
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// report is all that a run found.
type report struct {
	machine     machine
	contestants []*contestant
	sections    []section
	took        time.Duration
}

// summary is the main table.
func (r report) summary() table {
	t := table{head: []string{""}}
	for _, c := range r.contestants {
		t.head = append(t.head, c.name)
	}
	for _, s := range r.sections {
		for _, m := range s.main {
			cells := []string{m.measure}
			for _, c := range r.contestants {
				cells = append(cells, m.cells[c.name])
			}
			t.rows = append(t.rows, cells)
		}
	}
	return t
}

const reportHead = `# Benchmarks

sesame beside the packaged knockd and beside port knocking with nftables alone (a set for each stage, whose elements
the kernel removes in time; the set sizes are nftables' own, 65,535). Written by "make bench" in one run. Only ratios from
one run hold: another machine has other figures.

Every contestant has a gateway and a client of its own, in network namespaces joined by a veth pair. The gateway's firewall
drops what comes in, without connection tracking. sesame and knockd have the same configuration: the doors 7000, 8000, 9000
(TCP SYN) and 7001, 8001, 9001 (UDP), with a time of 5 s for the sequence, a start command that writes a line to a pipe,
and a log file; the nftables rules have the same sequences and times. All share the machine's processors with the sender.

`

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString(reportHead + r.machine.table(r.contestants, r.took).markdown())
	b.WriteString("\n## In short\n\n" + r.summary().markdown())
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, wrap(s.text, 118))
		for _, p := range s.plots {
			fmt.Fprintf(&b, "\n![%s](bench/%s)\n", p.title, p.file)
		}
		for _, t := range s.tables {
			b.WriteString("\n" + t.markdown())
		}
	}
	return b.String()
}

// wrap breaks lines that are longer than width where there are blanks.
func wrap(text string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case at+1+len(word) > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

// publish writes the report to its places.
func (r report) publish(o options) error {
	whole := !o.quick && o.only == ""
	if o.out == "" && !whole {
		fmt.Print(r.markdown())
		return nil
	}
	if o.out == "" {
		o.out = "docs"
	}
	if err := write(filepath.Join(o.out, "benchmarks.md"), r.markdown()); err != nil {
		return err
	}
	for _, s := range r.sections {
		for _, p := range s.plots {
			if err := write(filepath.Join(o.out, "bench", p.file), p.svg()); err != nil {
				return err
			}
		}
	}
	if o.readme == "" || !whole {
		return nil
	}
	text, err := os.ReadFile(o.readme)
	if err != nil {
		return err
	}
	changed, err := between(string(text), r.summary().markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", o.readme, err)
	}
	return write(o.readme, changed)
}

// The marks in the README around the main table.
const (
	beginMark = "<!-- make bench writes this table -->\n"
	endMark   = "<!-- its end -->\n"
)

// between replaces what is between the marks.
func between(text, table string) (string, error) {
	before, rest, ok := strings.Cut(text, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", fmt.Errorf("find the place of the benchmarks' table: %q or %q is missing", beginMark, endMark)
	}
	return before + beginMark + "\n" + table + "\n" + endMark + after, nil
}

// write writes a file and makes its folder. Both get the owner of the folder
// above: through sudo they would be root's.
func write(path, text string) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := inherit(dir); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return inherit(path)
}

func inherit(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// machine is what the figures depend on.
type machine struct {
	cpu, memory, kernel, system, load, command string
	date                                       time.Time
}

func describe() (m machine, err error) {
	m.date = time.Now()
	m.command = "go run ./bench " + strings.Join(os.Args[1:], " ")
	if out, err := exec.Command("uname", "-srm").Output(); err == nil {
		m.kernel = firstLine(out)
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	m.load = strings.Join(strings.Fields(string(load))[:3], ", ")
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	total, err := number(string(info), "MemTotal:")
	if err != nil {
		return m, err
	}
	m.memory = fmt.Sprintf("%.1f GB", float64(total)/1e6)
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	m.cpu = processor(string(cpu))
	if release, err := os.ReadFile("/etc/os-release"); err == nil {
		_, name, _ := strings.Cut(string(release), "PRETTY_NAME=")
		m.system = strings.Trim(firstLine([]byte(name)), `"`)
	}
	return m, nil
}

// processor returns the number and the name of the processors from
// proc_cpuinfo(5), whose keys differ: ARM's has no model name.
func processor(cpuinfo string) string {
	n, name := 0, "unknown"
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "processor":
			n++
		case "model name", "Model", "cpu model":
			name = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%d × %s", n, name)
}

func (m machine) table(list []*contestant, took time.Duration) table {
	t := table{head: []string{"", ""}, rows: [][]string{
		{"processors", m.cpu}, {"memory", m.memory}, {"kernel", m.kernel}, {"system", m.system},
		{"load before the run (1, 5, 15 min)", m.load},
		{"date", m.date.UTC().Format("2006-01-02 15:04 UTC")},
		{"duration", took.Round(time.Second).String()},
		{"command", "`" + strings.TrimSpace(m.command) + "`"},
	}}
	for _, c := range list {
		t.rows = append(t.rows, []string{c.name, c.why(c.version)})
	}
	return t
}

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// width is what a progress line may take: one less than the smallest terminal
// in use has columns, since a line that wraps cannot be taken back.
const width = 79

// screen is the standard error. On a terminal it has a line for progress, which
// is written over and is gone at the end.
type screen struct {
	out      io.Writer
	terminal bool
	shown    int // characters on the line
}

// isTerminal is false where the system does not say.
func isTerminal(f *os.File) bool { return terminalFd(f.Fd()) }

// show replaces the progress line.
func (s *screen) show(text string) {
	if !s.terminal {
		return
	}
	text = text[:min(len(text), width)]
	fmt.Fprintf(s.out, "\r%s%s", text, strings.Repeat(" ", max(0, s.shown-len(text))))
	s.shown = len(text)
}

// clear takes the progress line away.
func (s *screen) clear() {
	if s.shown > 0 {
		fmt.Fprintf(s.out, "\r%s\r", strings.Repeat(" ", s.shown))
		s.shown = 0
	}
}

// note prints a line that stays.
func (s *screen) note(text string) {
	s.clear()
	fmt.Fprintf(s.out, "knock: %s\n", text)
}

// table returns one line for each profile: name, host, sequence, the rest.
func table(all []profile) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\t%s", p.name, p.host, sequenceText(p.sequence))
		if rest := p.rest(); rest != "" {
			fmt.Fprintf(w, "\t%s", rest)
		}
		fmt.Fprintln(w)
	}
	w.Flush() // into memory
	return b.String()
}

// rest returns what is set besides host and sequence, as key=value.
func (p profile) rest() string {
	var words []string
	for k, text := range map[key]string{
		keyDelay: fmt.Sprint(p.delay.Milliseconds()), keyWait: fmt.Sprint(p.wait),
		keyTimeout: fmt.Sprint(int(p.timeout.Seconds())), keySource: p.source.String(), keyInterface: p.iface,
		keyFamily: map[family]string{only4: "4", only6: "6", both: "both"}[p.family],
	} {
		if p.given(k) {
			words = append(words, keyNames[k]+"="+text)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func sequenceText(list []hit) string {
	var words []string
	for _, h := range list {
		word := fmt.Sprint(h.port)
		if h.udp {
			word += ":udp"
		}
		words = append(words, word)
	}
	return strings.Join(words, ",")
}

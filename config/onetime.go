package config

import (
	"strings"

	"sesame/matcher"
)

// ParseOneTime reads a file of one-time sequences: one on each line, in the
// form of the sequence key. Blank lines and lines whose first non-blank
// character is # are skipped: a sequence is used up by writing # over the
// first character of its line.
//
// line, from 1, and seq are the first sequence that is valid and not used; line
// is 0 when none is left. bad holds every line of the file that is no sequence,
// at most 1,000 and a note of the rest; path is what those errors call the file. It is safe for
// concurrent use.
func ParseOneTime(data []byte, path string) (line int, seq []matcher.Port, bad []Error) {
	text := string(cutBOM(data))
	var faults report
	for n := 1; text != ""; n++ {
		item, rest, _ := strings.Cut(text, "\n")
		text = rest
		item = trim(item)
		if item == "" || item[0] == '#' {
			continue
		}
		s, reasons := parseSequence(cutComment(item))
		if len(reasons) > 0 {
			faults.add(Error{path, n, "one_time_sequences", reasons[0]})
		} else if line == 0 {
			line, seq = n, s
		}
	}
	return line, seq, faults.all()
}

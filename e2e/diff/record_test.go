package diff_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The lines of both daemons. Each function returns one line or several.

// stage is the lines of an attempt that has come to the given stages.
func stage(src, door string, stages ...int) string {
	var lines []string
	for _, n := range stages {
		lines = append(lines, fmt.Sprintf("%s: %s: Stage %d", src, door, n))
	}
	return strings.Join(lines, "\n")
}

// opens is the lines of an attempt on a door of n knocks, from the first.
func opens(src, door string, n int) string {
	stages := make([]int, n)
	for i := range stages {
		stages[i] = i + 1
	}
	return stage(src, door, stages...) + "\n" + src + ": " + door + ": OPEN SESAME"
}

// late is the end of an attempt that took too long.
func late(src, door string, n int) string {
	return fmt.Sprintf("%s: %s: sequence timeout (stage %d)", src, door, n)
}

func runs(door, command string) string { return door + ": running command: " + command }

func fails(door string, status int) string {
	return fmt.Sprintf("%s: command returned non-zero status code (%d)", door, status)
}

// ends is the end of a lease.
func ends(src, door string) string { return src + ": " + door + ": command timeout" }

// lease is the lines of a lease from the opening on.
func lease(src, door, start, stop string) string {
	return runs(door, start) + "\n" + ends(src, door) + "\n" + runs(door, stop)
}

const (
	started = "starting up, listening on wan"
	reread  = "re-reading config file: DIR/conf"
)

// stamp stands before each line in a log file.
var stamp = regexp.MustCompile(`^\[(\d{4}-\d\d-\d\d \d\d:\d\d)\] `)

// dated returns a line without its date, and whether it had one of today.
func dated(line string) (text string, ok bool) {
	m := stamp.FindStringSubmatch(line)
	if m == nil {
		return line, false
	}
	date, err := time.ParseInLocation("2006-01-02 15:04", m[1], time.Local)
	age := time.Since(date)
	return line[len(m[0]):], err == nil && age >= 0 && age < time.Hour
}

// lines returns the log without dates and sentinels, and then the notes. A line
// without a date is kept as one that nobody expects. knockd writes an empty line
// after some.
func (s *side) lines() []string {
	var list []string
	for line := range strings.Lines(s.log()) {
		text, ok := dated(line)
		text = strings.TrimRight(text, "\n")
		switch {
		case line == "\n" && s.name == "knockd":
		case ofSentinel(text):
		case !ok:
			list = append(list, "no date of today: "+text)
		default:
			list = append(list, text)
		}
	}
	return append(list, s.notes...)
}

func ofSentinel(line string) bool {
	return strings.Contains(line, "sentinel: ") || strings.Contains(line, sentinels)
}

// remark is a line of sesame's own, of which only a part is fixed here.
func remark(part string) string { return "~" + part }

var (
	knockLine   = regexp.MustCompile(`^(\S+: .+): (Stage \d+|OPEN SESAME|sequence timeout.*)$`)
	leaseLine   = regexp.MustCompile(`^\S+: (.+): command timeout$`)
	commandLine = regexp.MustCompile(`^(.+?): (running command|command returned)`)
)

// stream says which lines have an order between them: the knocks of one source
// on one door, the commands of one door, the notes, and all the rest.
func stream(line string) string {
	if strings.HasPrefix(line, "= ") {
		return "notes"
	}
	if m := knockLine.FindStringSubmatch(line); m != nil {
		return "knocks " + m[1]
	}
	if m := leaseLine.FindStringSubmatch(line); m != nil {
		return "commands " + m[1]
	}
	if m := commandLine.FindStringSubmatch(line); m != nil {
		return "commands " + m[1]
	}
	return ""
}

func streams(lines []string) map[string][]string {
	all := make(map[string][]string)
	for _, line := range lines {
		key := stream(line)
		all[key] = append(all[key], line)
	}
	return all
}

// match reports whether lines are the ones wanted, whatever the order between
// streams. A remark may stand anywhere.
func match(got, want []string) bool {
	got = slices.Clone(got)
	var exact []string
	for _, line := range want {
		part, ok := strings.CutPrefix(line, "~")
		if !ok {
			exact = append(exact, line)
			continue
		}
		i := slices.IndexFunc(got, func(l string) bool { return strings.Contains(l, part) })
		if i < 0 {
			return false
		}
		got = slices.Delete(got, i, i+1)
	}
	return maps.EqualFunc(streams(got), streams(exact), slices.Equal[[]string])
}

// split returns the single lines of a list of texts.
func split(texts []string) []string {
	var list []string
	for _, text := range texts {
		list = append(list, strings.Split(text, "\n")...)
	}
	return list
}

// indent is for messages.
func indent(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		if utf8.ValidString(line) {
			line = line[:min(len(line), 300)]
		} else {
			line = fmt.Sprintf("%q", line)
		}
		text.WriteString("\t" + line + "\n")
	}
	return text.String()
}

// raw is the log file as it is, but for the dates and the sentinel.
func raw(_ *lab, s *side) string {
	var list []string
	after := false // the empty line after one of the sentinel's
	for line := range strings.Lines(s.log()) {
		text, ok := dated(line)
		if ok {
			text = "[date] " + text
		}
		if !ofSentinel(text) && !(after && text == "\n") {
			list = append(list, text)
		}
		after = ofSentinel(text)
	}
	return fmt.Sprintf("%q", strings.Join(list, ""))
}

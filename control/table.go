package control

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AppendTable appends a status as people read it. Names come from a file and
// are quoted where a terminal would do more than show them.
func (s *Status) AppendTable(b []byte, zone *time.Location) []byte {
	b = append(b, "sesame "+plain(s.Version)+", process "+strconv.Itoa(s.PID)+", listening on "+plain(s.Interface)+", "+plain(s.Config)+"\n"...)
	b = append(b, "started "+clock(s.Started, zone)+", "+span(time.Duration(s.Now-s.Started))+" ago\n"...)
	if s.Listening != s.Interface && s.Listening != "" {
		b = append(b, "interfaces "+plain(s.Listening)+"\n"...)
	}
	if s.Waiting != "" {
		b = append(b, "waiting for "+plain(s.Waiting)+"\n"...)
	}
	if s.StateFile == "" {
		b = append(b, "no state file: doors stay open when this process is killed\n"...)
	} else {
		b = append(b, "state file "+plain(s.StateFile)+"\n"...)
	}
	b = append(b, '\n')
	if len(s.Doors) == 0 {
		b = append(b, "no door is open\n"...)
	} else {
		b = s.appendDoors(b, zone)
	}
	b = append(b, '\n')
	rows := [][2]string{{strconv.Itoa(s.Attempts), "attempts in flight"}}
	for i, n := range s.Counters {
		rows = append(rows, [2]string{strconv.FormatUint(n, 10), counters[i].help})
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		b = append(b, strings.Repeat(" ", width-len(r[0]))+r[0]+"  "+r[1]+"\n"...)
	}
	return b
}

// appendDoors appends the table of open doors.
func (s *Status) appendDoors(b []byte, zone *time.Location) []byte {
	rows := [][5]string{{"DOOR", "ADDRESS", "OPENED", "REMAINING", "STATE"}}
	for i := range s.Doors {
		d := &s.Doors[i]
		left, state := "-", plain(d.State)
		if d.Left != Unknown {
			left = span(max(d.Left, 0))
		}
		if d.Failures > 0 {
			state += ", stop failures: " + strconv.Itoa(d.Failures)
		}
		rows = append(rows, [5]string{plain(d.Name), plain(d.Address), clock(d.Opened, zone), left, state})
	}
	var width [5]int
	for i := range rows {
		for k, text := range rows[i] {
			width[k] = max(width[k], utf8.RuneCountInString(text))
		}
	}
	for i := range rows {
		for k, text := range rows[i] {
			if k < len(width)-1 {
				text += strings.Repeat(" ", width[k]-utf8.RuneCountInString(text)+2)
			}
			b = append(b, text...)
		}
		b = append(b, '\n')
	}
	return b
}

// plain returns text as it is if it is made of what a terminal shows, else
// quoted.
func plain(text string) string {
	if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text {
		return quoted
	}
	return text
}

// clock returns an instant as 2006-01-02 15:04:05.
func clock(ns int64, zone *time.Location) string {
	t := time.Unix(0, ns).In(zone)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return digits(year, 4) + "-" + digits(int(month), 2) + "-" + digits(day, 2) + " " +
		digits(hour, 2) + ":" + digits(minute, 2) + ":" + digits(second, 2)
}

func digits(n, width int) string {
	text := strconv.Itoa(n)
	return strings.Repeat("0", max(width-len(text), 0)) + text
}

// span returns a time in its two largest units, seconds rounded up: a door
// that is open has no "0 s" left.
func span(d time.Duration) string {
	s := int64((d + time.Second - 1) / time.Second)
	two := func(large int64, a string, small int64, b string) string {
		return strconv.FormatInt(large, 10) + " " + a + " " + strconv.FormatInt(small, 10) + " " + b
	}
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + " s"
	case s < 3600:
		return two(s/60, "min", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "min")
	}
	return two(s/86400, "d", s%86400/3600, "h")
}

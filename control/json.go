package control

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AppendJSON appends one object with the status of all daemons (RFC 8259).
// Instants are as in RFC 3339, in UTC; times are seconds.
func AppendJSON(b []byte, all []*Status) []byte {
	b = append(b, `{"daemons":[`...)
	for i, s := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendJSON(b)
	}
	return append(b, "]}\n"...)
}

func (s *Status) appendJSON(b []byte) []byte {
	b = appendKey(append(b, '{'), "version", s.Version)
	b = appendKey(append(b, ','), "interface", s.Interface)
	b = appendNames(b, "listening", s.Listening)
	b = appendNames(b, "waiting", s.Waiting)
	b = appendKey(append(b, ','), "config", s.Config)
	b = appendKey(append(b, ','), "state_file", s.StateFile)
	b = append(b, `,"pid":`+strconv.Itoa(s.PID)...)
	b = appendKey(append(b, ','), "started", stamp(s.Started))
	b = append(b, `,"uptime_seconds":`+decimal(s.Now-s.Started)...)
	b = append(b, `,"attempts":`+strconv.Itoa(s.Attempts)...)
	b = append(b, `,"counters":{`...)
	for i, n := range s.Counters {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `"`+counters[i].name+`":`...)
		b = strconv.AppendUint(b, n, 10)
	}
	b = append(b, `},"doors":[`...)
	for i := range s.Doors {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.Doors[i].appendJSON(b)
	}
	return append(b, "]}"...)
}

func (d *Door) appendJSON(b []byte) []byte {
	left := "null"
	if d.Left != Unknown {
		left = decimal(int64(d.Left))
	}
	b = appendKey(append(b, '{'), "door", d.Name)
	b = appendKey(append(b, ','), "address", d.Address)
	b = appendKey(append(b, ','), "opened", stamp(d.Opened))
	b = append(b, `,"remaining_seconds":`+left...)
	b = appendKey(append(b, ','), "state", d.State)
	return append(b, `,"stop_failures":`+strconv.Itoa(d.Failures)+"}"...)
}

func appendKey(b []byte, key, value string) []byte {
	b = append(b, `"`+key+`":`...)
	return appendString(b, value)
}

// appendNames appends names as an array.
func appendNames(b []byte, key, names string) []byte {
	b = append(b, `,"`+key+`":[`...)
	for names != "" {
		var name string
		name, names, _ = strings.Cut(names, ", ")
		if b = appendString(b, name); names != "" {
			b = append(b, ',')
		}
	}
	return append(b, ']')
}

// appendString appends a JSON string. What is no UTF-8 becomes U+FFFD.
func appendString(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// stamp returns an instant as 2006-01-02T15:04:05Z.
func stamp(ns int64) string {
	return strings.Replace(clock(ns, time.UTC), " ", "T", 1) + "Z"
}

// decimal returns nanoseconds as seconds with three decimals.
func decimal(ns int64) string {
	ms, sign := ns/int64(time.Millisecond), ""
	if ms < 0 {
		ms, sign = -ms, "-"
	}
	return sign + strconv.FormatInt(ms/1000, 10) + "." + digits(int(ms%1000), 3)
}

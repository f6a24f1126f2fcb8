package control

import (
	"slices"
	"strconv"
	"strings"
)

// AppendPrometheus appends the status of all daemons in Prometheus' text
// exposition format 0.0.4, fit for the textfile collector of its node exporter.
func AppendPrometheus(b []byte, all []*Status) []byte {
	m := metrics{b: b}
	m.metric("start_time_seconds", "gauge", "when the daemon was started, in seconds since 1970")
	for _, s := range all {
		m.sample("start_time_seconds", s, "", decimal(s.Started))
	}
	m.metric("attempts", "gauge", "attempts in flight")
	for _, s := range all {
		m.sample("attempts", s, "", strconv.Itoa(s.Attempts))
	}
	for i, c := range counters {
		name := c.name + "_total"
		m.metric(name, "counter", c.help)
		for _, s := range all {
			m.sample(name, s, "", strconv.FormatUint(s.Counters[i], 10))
		}
	}
	m.metric("doors", "gauge", "doors that are open, or not yet shut, by their state")
	for _, s := range all {
		m.doors(s)
	}
	return m.b
}

type metrics struct {
	b []byte
}

func (m *metrics) metric(name, kind, help string) {
	m.b = append(m.b, "# HELP sesame_"+name+" "+help+".\n# TYPE sesame_"+name+" "+kind+"\n"...)
}

func (m *metrics) sample(name string, s *Status, labels, value string) {
	m.b = append(m.b, "sesame_"+name+`{interface="`+label(s.Interface)+`",config="`+label(s.Config)+`"`+labels+"} "+value+"\n"...)
}

// doors counts open doors by name and state. A name that is there twice in the
// file is one.
func (m *metrics) doors(s *Status) {
	count := map[string]int{}
	for i := range s.Doors {
		d := &s.Doors[i]
		count[`,door="`+label(d.Name)+`",state="`+label(d.State)+`"`]++
	}
	var keys []string
	for k := range count {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		m.sample("doors", s, k, strconv.Itoa(count[k]))
	}
}

// label escapes a label's value.
func label(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	text = strings.ReplaceAll(text, `\`, `\\`)
	text = strings.ReplaceAll(text, `"`, `\"`)
	return strings.ReplaceAll(text, "\n", `\n`)
}

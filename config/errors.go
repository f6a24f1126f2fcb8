package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is one fault of a file and where it is.
type Error struct {
	File   string
	Line   int    // from 1
	Key    string // "" when the fault is not a key's
	Reason string // what is wrong and what is allowed
}

// Error returns "file:line: key: reason", without "key: " where Key is "".
func (e Error) Error() string {
	s := e.File + ":" + strconv.Itoa(e.Line) + ": "
	if e.Key != "" {
		s += e.Key + ": "
	}
	return s + e.Reason
}

// Errors is every fault of a file in line order. After 1,000 the file is not
// read further, which one more entry says.
type Errors []Error

// Error returns one line for each fault, without a final newline.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxReported keeps what is said about a large broken file readable, and
// small in memory: a fault takes far more bytes than the text that caused it.
const maxReported = 1000

// report collects up to maxReported entries.
type report struct {
	list []Error
	more bool // at least one was left out
}

func (r *report) add(e Error) {
	if len(r.list) == maxReported {
		r.more = true
		return
	}
	r.list = append(r.list, e)
}

// all returns the entries in the order they came, and a last one that says
// so if any were left out.
func (r *report) all() []Error {
	if r.more {
		last := r.list[len(r.list)-1]
		last.Key, last.Reason = "", "what else is wrong from here on is left out"
		return append(r.list, last)
	}
	return r.list
}

// sorted is all in line order; entries of one line keep their order.
func (r *report) sorted() Errors {
	sortByLine(r.list)
	return r.all()
}

// sortByLine keeps the order of entries of one line. It counts: lines are few
// numbers, and sorting any list of structs costs a router 10 kB of code.
func sortByLine(list []Error) {
	last := 0
	for i := range list {
		last = max(last, list[i].Line)
	}
	place := make([]int, last+2) // of the next entry of each line
	for i := range list {
		place[list[i].Line+1]++
	}
	for line := range last {
		place[line+1] += place[line]
	}
	for _, e := range append([]Error(nil), list...) {
		list[place[e.Line]] = e
		place[e.Line]++
	}
}

// maxQuoted is how many bytes of a user's text an error repeats.
const maxQuoted = 48

// quote returns s as a Go string literal that a terminal shows as it is. Long
// text is cut, which the dots after the closing quote say.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	n := maxQuoted
	for n > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return strconv.Quote(s[:n]) + "..."
}

// plain returns s itself where a terminal can show it, else s quoted.
func plain(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

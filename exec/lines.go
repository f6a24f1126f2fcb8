package exec

import "bytes"

// maxLine is the longest line of output that goes to the log in one piece, in
// bytes: knockd's own limit for a log line.
const maxLine = 1024

// lines cuts a stream of output into lines. The zero value is ready.
type lines struct {
	rest   []byte // of a line that is not complete
	logged int    // bytes that have come; above maxOutput they are not logged
}

// write logs the complete lines of b and keeps the rest.
func (l *lines) write(b []byte, log func(string)) {
	if l.logged > maxOutput {
		return
	}
	room := maxOutput - l.logged
	if l.logged += len(b); len(b) > room {
		defer l.flush(log) // the last line that is logged may be a part of one
		b = b[:room]
	}
	for len(b) > 0 {
		line, after, complete := bytes.Cut(b, []byte{'\n'})
		room := maxLine - len(l.rest)
		if len(line) > room {
			line, after, complete = b[:room], b[room:], true
		}
		l.rest = append(l.rest, line...)
		if complete {
			l.flush(log)
		}
		b = after
	}
}

// flush logs what there is of a line that is not complete. Empty lines are
// left out.
func (l *lines) flush(log func(string)) {
	if line := bytes.TrimRight(l.rest, "\r"); len(line) > 0 {
		log(string(line))
	}
	l.rest = l.rest[:0]
}

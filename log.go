package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

// logger writes lines to up to three places in knockd's forms: a file, syslog,
// and stderr as it is. It never waits for any of them.
type logger struct {
	stderr   bool
	path     string // of the file; "": none
	file     *os.File
	plain    bool // the file is the journal, which has the time
	syslog   *syslog
	lost     int   // lines that could not be written
	lostWhy  error // the first of them
	lostAll  uint64
	now      func() time.Time
	standard *os.File
}

func newLogger(stderr bool) *logger {
	return &logger{stderr: stderr, now: time.Now, standard: os.Stderr}
}

// open opens the log file, or opens it anew after logrotate(8) moved it. When
// that fails the file that was open stays in use.
func (l *logger) open(path string) error {
	file, err := openLog(path)
	if err != nil {
		return fault.New("open the log file", err)
	}
	l.closeFile()
	l.path, l.file, l.plain = path, file, file != nil && isJournal(file, os.Getenv("JOURNAL_STREAM"))
	return nil
}

// openLog opens a file to append to. The standard streams are taken as they
// are: opening them by name fails where they are sockets, as under systemd.
func openLog(path string) (*os.File, error) {
	switch path {
	case "":
		return nil, nil
	case "/dev/stdout":
		return os.Stdout, nil
	case "/dev/stderr":
		return os.Stderr, nil
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

func (l *logger) closeFile() {
	if l.file != nil && l.file != os.Stdout && l.file != os.Stderr {
		l.file.Close()
	}
	l.file = nil
}

// print logs one line everywhere.
func (l *logger) print(line string) {
	line = printable(line)
	if l.file != nil {
		l.toFile(line)
	}
	if l.syslog != nil && !l.syslog.send(l.now(), line) {
		l.lostAll++
	}
	if l.stderr || l.file == nil && l.syslog == nil {
		l.write(l.standard, "", line)
	}
}

// warn prints on stderr as well, whatever else is set: for what a user at a
// terminal must not miss.
func (l *logger) warn(line string) {
	if !l.stderr && (l.file != nil || l.syslog != nil) {
		l.write(l.standard, "", printable(line))
	}
	l.print(line)
}

// toFile writes with knockd's prefix.
func (l *logger) toFile(line string) {
	if l.plain {
		l.write(l.file, "", line)
		return
	}
	t := l.now()
	year, month, day := t.Date()
	hour, minute, _ := t.Clock()
	b := make([]byte, 0, len("[2006-01-02 15:04] "))
	b = padded(append(b, '['), year, 4, '0')
	b = padded(append(b, '-'), int(month), 2, '0')
	b = padded(append(b, '-'), day, 2, '0')
	b = padded(append(b, ' '), hour, 2, '0')
	b = padded(append(b, ':'), minute, 2, '0')
	l.write(l.file, string(append(b, "] "...)), line)
}

// padded appends n, with fill before it where it has fewer digits.
func padded(b []byte, n, digits int, fill byte) []byte {
	text := strconv.Itoa(n)
	for range digits - len(text) {
		b = append(b, fill)
	}
	return append(b, text...)
}

// write costs the line, never time, where there is no room: a full disk, a pipe
// that nobody reads. What is lost is counted and reported when there is room
// again.
func (l *logger) write(f *os.File, prefix, line string) {
	if l.lost > 0 && l.room(f) == nil {
		note := strconv.Itoa(l.lost) + " log lines were lost: " + l.lostWhy.Error()
		if _, err := f.WriteString(prefix + note + "\n"); err == nil {
			l.lost, l.lostWhy = 0, nil
		}
	}
	err := l.room(f)
	if err == nil {
		_, err = f.WriteString(prefix + line + "\n")
	}
	if err != nil {
		if l.lost == 0 {
			l.lostWhy = err
		}
		l.lost++
		l.lostAll++
	}
}

// room returns an error if a write would have to wait. A pipe that can be
// written to has room for 4,096 bytes (pipe(7), PIPE_BUF).
func (l *logger) room(f *os.File) error {
	ready := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}
	if n, err := unix.Poll(ready, 0); n == 0 && err == nil {
		return errors.New("write " + f.Name() + ": nobody reads it")
	}
	return nil
}

// printable replaces control characters, which the output of a command may
// hold: terminals take them for orders.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, line)
}

// isJournal reports whether f is the stream to systemd's journal, given by its
// device and inode in JOURNAL_STREAM (systemd.exec(5)).
func isJournal(f *os.File, stream string) bool {
	var st unix.Stat_t
	return stream != "" && unix.Fstat(int(f.Fd()), &st) == nil &&
		stream == strconv.FormatUint(uint64(st.Dev), 10)+":"+strconv.FormatUint(st.Ino, 10)
}

// isTerminal reports whether a person may be looking at f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// syslogPriority is facility user, level notice (RFC 5424, section 6.2.1), as
// knockd uses.
const syslogPriority = 1<<3 | 5

// syslog sends lines to the local syslog daemon as syslog(3) does.
type syslog struct {
	path   string
	fd     int  // -1: not connected
	stream bool // rather than datagrams
	lost   int  // lines that nobody took
}

func (s *syslog) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
}

func newSyslog(path string) *syslog { return &syslog{path: path, fd: -1} }

// send writes one line and reports whether it was taken. A daemon that does not
// read costs the line, not our time; when it reads again it is told how many it
// missed.
func (s *syslog) send(now time.Time, line string) bool {
	if s.lost > 0 && s.try(message(now, strconv.Itoa(s.lost)+" log lines were lost: "+s.path+" did not take them")) {
		s.lost = 0
	}
	if s.lost == 0 && s.try(message(now, line)) {
		return true
	}
	s.lost++
	return false
}

// message returns a line as it is on the wire.
func message(now time.Time, line string) []byte {
	_, month, day := now.Date()
	hour, minute, second := now.Clock()
	text := make([]byte, 0, len("<13>Jan _2 15:04:05 knockd: \x00")+len(line))
	text = append(text, "<"+strconv.Itoa(syslogPriority)+">"+month.String()[:3]...)
	text = padded(append(text, ' '), day, 2, ' ')
	text = padded(append(text, ' '), hour, 2, '0')
	text = padded(append(text, ':'), minute, 2, '0')
	text = padded(append(text, ':'), second, 2, '0')
	return append(append(text, " knockd: "...), line...)
}

// try sends a message. A daemon that was started anew has a new socket, so one
// that cannot be sent is tried once more on a new connection.
func (s *syslog) try(text []byte) bool {
	for range 2 {
		if s.fd < 0 && !s.connect() {
			return false
		}
		bytes := text
		if s.stream {
			bytes = append(bytes, 0) // the end of a message, as in syslog(3)
		}
		err := unix.Sendto(s.fd, bytes, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
		if err == nil || err == unix.EAGAIN {
			return err == nil
		}
		unix.Close(s.fd)
		s.fd = -1
	}
	return false
}

// connect tries a datagram socket, then a stream.
func (s *syslog) connect() bool {
	for _, kind := range []int{unix.SOCK_DGRAM, unix.SOCK_STREAM} {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return false
		}
		if unix.Connect(fd, &unix.SockaddrUnix{Name: s.path}) == nil {
			s.fd, s.stream = fd, kind == unix.SOCK_STREAM
			return true
		}
		unix.Close(fd)
	}
	return false
}

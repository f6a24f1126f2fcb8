package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var noon = time.Date(2026, 3, 4, 12, 34, 56, 0, time.Local)

func newTestLogger(t *testing.T) (l *logger, stderr func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l = &logger{now: func() time.Time { return noon }, standard: f}
	return l, func() string { return read(t, f.Name()) }
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogStderr(t *testing.T) {
	l, stderr := newTestLogger(t)
	l.print("one")
	l.warn("two\x1b[2J\nthree")
	if got := stderr(); got != "one\ntwo?[2J?three\n" {
		t.Errorf("%q", got)
	}
}

func TestLogFile(t *testing.T) {
	l, stderr := newTestLogger(t)
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.open(path); err != nil {
		t.Fatal(err)
	}
	l.print("192.0.2.7: ssh: Stage 1")
	l.warn("careful")
	const line = "before\n[2026-03-04 12:34] 192.0.2.7: ssh: Stage 1\n[2026-03-04 12:34] careful\n"
	if got := read(t, path); got != line {
		t.Errorf("%q", got)
	}
	if got := stderr(); got != "careful\n" {
		t.Errorf("stderr: %q, want the warning alone", got)
	}

	// logrotate moves the file and asks for a new one.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.open(path); err != nil {
		t.Fatal(err)
	}
	l.print("after")
	if got := read(t, path); got != "[2026-03-04 12:34] after\n" {
		t.Errorf("%q", got)
	}
	if err := l.open(filepath.Join(path, "no", "such")); err == nil || !strings.Contains(err.Error(), "log file") {
		t.Errorf("open: %v", err)
	}
	l.print("still")
	if got := read(t, path); !strings.HasSuffix(got, "still\n") {
		t.Errorf("after a failed open the old file is not used: %q", got)
	}
}

// TestLogFull writes to a full device: what is lost is counted, and reported
// when there is room again.
func TestLogFull(t *testing.T) {
	l, _ := newTestLogger(t)
	if err := l.open("/dev/full"); err != nil {
		t.Fatal(err)
	}
	l.print("one")
	l.print("two")
	path := filepath.Join(t.TempDir(), "log")
	if err := l.open(path); err != nil {
		t.Fatal(err)
	}
	l.print("three")
	l.print("four")
	got := strings.ReplaceAll(read(t, path), "[2026-03-04 12:34] ", "")
	if got != "2 log lines were lost: write /dev/full: no space left on device\nthree\nfour\n" {
		t.Errorf("%q", got)
	}
}

// TestLogNobodyReads fills a pipe: the daemon goes on, and says later how much
// it could not log.
func TestLogNobodyReads(t *testing.T) {
	l, _ := newTestLogger(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.Fd() // blocking, as a stderr is
	l.standard = w
	const lines = 100_000
	for range lines {
		l.print("line")
	}
	if l.lost == 0 {
		t.Fatal("the pipe holds all of it")
	}
	lost := l.lost
	b := make([]byte, 1<<20)
	if _, err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	l.print("last")
	n, err := r.Read(b)
	if want := fmt.Sprintf("%d log lines were lost: write |1: nobody reads it\nlast\n", lost); err != nil || !strings.HasSuffix(string(b[:n]), want) {
		t.Errorf("%q, %v; want it to end with %q", b[max(0, n-100):n], err, want)
	}
}

// syslogDaemon listens as a syslog daemon on a datagram socket.
func syslogDaemon(t *testing.T, path string) (read func() string, end func()) {
	t.Helper()
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	read = func() string {
		b := make([]byte, 200)
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	return read, func() { c.Close(); os.Remove(path) }
}

const onWire = "<13>Mar  4 12:34:56 knockd: "

// TestSyslog checks the wire form and that a daemon which was started anew is
// found again, also when its socket is a stream then.
func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := newSyslog(path)
	for range 2 {
		read, end := syslogDaemon(t, path)
		if !s.send(noon, "line") {
			t.Error("not taken")
		}
		if got := read(); got != onWire+"line" {
			t.Errorf("%q", got)
		}
		end()
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s.send(noon, "line")
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || string(b[:n]) != onWire+"line\x00" {
		t.Errorf("over a stream: %q, %v", b[:n], err)
	}
}

// TestSyslogAway tells a syslog daemon what it missed while it was away.
func TestSyslogAway(t *testing.T) {
	l, _ := newTestLogger(t)
	path := filepath.Join(t.TempDir(), "log")
	l.syslog = newSyslog(path)
	for range 3 {
		l.print("nobody listens")
	}
	if l.lostAll != 3 {
		t.Errorf("%d lines are counted as lost, want 3", l.lostAll)
	}
	read, end := syslogDaemon(t, path)
	defer end()
	l.print("line")
	l.print("next")
	for _, want := range []string{"3 log lines were lost: " + path + " did not take them", "line", "next"} {
		if got := read(); got != onWire+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSyslogStuck checks that a syslog daemon which does not read costs no time.
func TestSyslogStuck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	_, end := syslogDaemon(t, path)
	defer end()
	s := newSyslog(path)
	for range 10000 {
		s.send(noon, "line")
	}
	if s.lost == 0 {
		t.Error("all of 10,000 lines that nobody reads count as taken")
	}
}

// TestLogToJournal leaves the time out where the journal adds its own.
func TestLogToJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	l, _ := newTestLogger(t)
	for _, tt := range []struct {
		stream, want string
	}{
		{fmt.Sprintf("%d:%d", st.Dev, st.Ino), "line\n"},
		{fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), "[2026-03-04 12:34] line\n"},
		{"", "[2026-03-04 12:34] line\n"},
	} {
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		f.Seek(0, 0)
		l.file, l.plain = f, isJournal(f, tt.stream)
		if l.print("line"); read(t, f.Name()) != tt.want {
			t.Errorf("JOURNAL_STREAM=%s: %q, want %q", tt.stream, read(t, f.Name()), tt.want)
		}
	}
}

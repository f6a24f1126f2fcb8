package diff_test

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// datagrams is what came to a log socket.
type datagrams struct {
	mu   sync.Mutex
	list []string
}

func (d *datagrams) add(message string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, message)
}

func (d *datagrams) messages() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

// syslogd makes a log socket for each side, to be mounted over /dev/log.
func syslogd(l *lab) {
	l.t.Helper()
	l.listen(func(s *side, message string) { s.syslog.add(message) })
}

// syslogFile is syslogd where there is no log file: it writes one, which the
// other steps read.
func syslogFile(l *lab) {
	l.t.Helper()
	l.listen(func(s *side, message string) {
		f, err := os.OpenFile(s.file("log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return // the test is over
		}
		defer f.Close()
		_, text, _ := strings.Cut(message, "knockd: ")
		fmt.Fprintf(f, "[%s] %s\n", time.Now().Format("2006-01-02 15:04"), strings.TrimSuffix(text, "\n"))
	})
}

// listen makes the sockets, whose messages go to take.
func (l *lab) listen(take func(s *side, message string)) {
	l.t.Helper()
	for _, s := range l.sides {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.file("syslog"), Net: "unixgram"})
		if err != nil {
			l.t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b := make([]byte, 64<<10); ; {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				take(s, string(b[:n]))
			}
		}()
		l.t.Cleanup(func() { conn.Close(); <-ended })
	}
}

var syslogDate = regexp.MustCompile(`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)

// syslogged is what came to a side's socket, but for dates and the sentinel.
func syslogged(l *lab, s *side) string {
	l.t.Helper()
	end := fmt.Sprint("sentinel: running command: true ", sentinels, l.sentinels)
	l.until(s, "the sentinel in syslog", func() bool {
		return slices.ContainsFunc(s.syslog.messages(), func(m string) bool { return strings.Contains(m, end) })
	})
	text := "syslog:"
	for _, message := range s.syslog.messages() {
		if !ofSentinel(message) {
			message = s.common(syslogDate.ReplaceAllString(message, "DATE "))
			text += "\n" + strings.ReplaceAll(message, "\n", `\n`)
		}
	}
	return text
}

// inSyslog is the note that syslogged makes.
func inSyslog(priority int, texts ...string) string {
	note := "= syslog:"
	for _, line := range split(texts) {
		note += fmt.Sprintf("\n= <%d>DATE knockd: %s", priority, line)
	}
	return note
}

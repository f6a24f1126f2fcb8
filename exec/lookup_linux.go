package exec

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

const (
	// lookupTime is how long the name of an address may take to be found.
	lookupTime = 2 * time.Second

	// maxLookups is how many names are looked for at once.
	maxLookups = 16

	// maxName is the length of a name in DNS (RFC 1035, section 2.3.4).
	maxName = 255

	// maxAnswer is how much of an answer is read, in bytes.
	maxAnswer = 4096
)

// lookupScript asks as the system's own programs do: hosts(5), DNS and whatever
// else nsswitch.conf(5) names. Routers without getent have busybox's nslookup.
const lookupScript = `getent hosts "$0" || nslookup "$0"`

// lookup is a search for an address's name.
type lookup struct {
	pid      int // 0: it has ended
	pipe     int
	deadline matcher.Time
	answer   []byte
	done     func(host string)
}

// Lookup looks for the name of an address and calls done with it, or with ""
// when there is none, it takes longer than two seconds, or too many are looked
// for already. It waits for nothing.
func (l *Leases) Lookup(at Instant, src matcher.Addr, done func(host string)) {
	l.at = at
	if len(l.lookups) >= maxLookups {
		done("")
		return
	}
	pid, pipe, err := shell(l.runner.null, l.runner.env, false, lookupScript, src.String())
	if err != nil {
		l.Log("look for the name of " + src.String() + ": " + err.Error())
		done("")
		return
	}
	// Where it cannot be watched, the time runs out.
	poll(l.runner.epoll, unix.EPOLL_CTL_ADD, pipe, unix.EPOLLIN)
	l.lookups = append(l.lookups, &lookup{pid: pid, pipe: pipe, deadline: at.Now.Add(lookupTime), done: done})
}

// read takes what there is of the answer and reports whether more may come.
func (q *lookup) read() bool {
	var b [512]byte
	for {
		n, err := unix.Read(q.pipe, b[:])
		if n <= 0 {
			return err == unix.EAGAIN || err == unix.EINTR
		}
		if room := maxAnswer - len(q.answer); room > 0 {
			q.answer = append(q.answer, b[:min(n, room)]...)
		}
	}
}

// lookupReady reads the answer that has come over a descriptor, and reports
// whether it is one of a lookup.
func (l *Leases) lookupReady(fd int32) bool {
	for i, q := range l.lookups {
		if int32(q.pipe) == fd {
			if !q.read() {
				l.endLookup(i, hostIn(string(q.answer)))
			}
			return true
		}
	}
	return false
}

// expireLookups gives up those that take too long.
func (l *Leases) expireLookups() {
	for i := 0; i < len(l.lookups); {
		if l.at.Now < l.lookups[i].deadline {
			i++
			continue
		}
		l.endLookup(i, "")
	}
}

func (l *Leases) endLookup(i int, host string) {
	q := l.lookups[i]
	l.lookups = append(l.lookups[:i], l.lookups[i+1:]...)
	if q.pid != 0 {
		unix.Kill(-q.pid, unix.SIGKILL)
	}
	unix.Close(q.pipe)
	q.done(host)
}

// lookupEnded is told of a process that has ended: its number may be used again.
func (l *Leases) lookupEnded(pid int) {
	for _, q := range l.lookups {
		if q.pid == pid {
			q.pid = 0
		}
	}
}

// endLookups gives up all that are not done.
func (l *Leases) endLookups() {
	for len(l.lookups) > 0 {
		l.endLookup(0, "")
	}
}

func (l *Leases) nextLookup() matcher.Time {
	next := matcher.Never
	for _, q := range l.lookups {
		next = min(next, q.deadline)
	}
	return next
}

// hostIn finds the name in what getent(1) or nslookup print.
func hostIn(answer string) string {
	for line := range strings.SplitSeq(answer, "\n") {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		// 192.0.2.7  host.example  alias
		if _, ok := matcher.ParseAddr(words[0]); ok {
			return hostName(words[1])
		}
		// 7.2.0.192.in-addr.arpa  name = host.example.
		if len(words) >= 4 && words[1] == "name" && words[2] == "=" {
			return hostName(words[3])
		}
	}
	return ""
}

// hostName returns a name that is fit for a log, "" if it is not: whoever
// knocks may be the one who answers for it.
func hostName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxName {
		return ""
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return ""
		}
	}
	return name
}

package exec

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sesame/folder"
	"sesame/matcher"
)

// takeOver makes leases of what the state file tells: what is overdue is shut
// at once, the rest when its time is over.
func (l *Leases) takeOver(told *replay) {
	for _, d := range told.damaged {
		l.Log("state file " + l.StateFile + " line " + strconv.Itoa(d.line) + " is damaged, a door may be open: " + d.text)
	}
	l.last = told.last
	defer func() { l.orphans = nil }()
	anew, overdue, forgotten := len(told.damaged) > 0, 0, 0
	for k := range told.leases {
		s := &told.leases[k]
		switch {
		case s.id == 0:
		case !l.thisBoot(s) && l.Forget:
			l.note(&record{op: opShut, id: s.id})
			forgotten++
		default:
			l.restore(s)
			anew = anew || !l.thisBoot(s) // from now on this boot's clock counts
		}
	}
	for i := range l.leases {
		if l.resume(int32(i)) {
			overdue++
		}
	}
	if n := l.Len(); n > 0 {
		l.Log(strconv.Itoa(n) + " doors are open from before, " + strconv.Itoa(overdue) + " of them overdue")
	}
	if forgotten > 0 {
		l.Log(strconv.Itoa(forgotten) + " doors were open before the machine was started anew, forgotten (after_reboot = forget)")
	}
	if anew {
		l.journal.compact = 0
	}
}

// thisBoot reports whether a lease's times on the clock that counts from boot
// are of this clock.
func (l *Leases) thisBoot(s *saved) bool { return s.boot == l.Boot && s.boot != UnknownBoot }

// restore makes a lease of a saved one. The file has two of one key if the
// first one's end could not be recorded.
func (l *Leases) restore(s *saved) {
	i, twice := l.byKey[key{l.doors[s.door], s.src}]
	if twice {
		l.note(&record{op: opShut, id: l.leases[i].id})
	} else {
		i = l.alloc()
		l.add(i, s.door, s.src, s.length)
	}
	le := &l.leases[i]
	le.id, le.opened, le.length, le.pid = s.id, s.opened, s.length, 0
	switch {
	case !l.thisBoot(s):
		// A router without a battery may think it is 1970, or be told a time
		// that is to come.
		le.end = l.at.Now.Add(min(time.Duration(s.wallEnd-l.at.Wall), s.length))
	case l.stillStarts(s):
		le.pid, le.end = s.pid, s.begun.Add(s.length)
	default:
		le.end = s.end
	}
}

// stillStarts reports whether a lease's start command runs. A daemon that was
// killed just after it had started one did not come to write down which process
// that is.
func (l *Leases) stillStarts(s *saved) bool {
	if s.pid == 0 {
		if l.orphans == nil {
			l.orphans = orphans()
		}
		s.pid = l.orphans[l.mark(s.id)]
	}
	return s.pid != 0 && began(s.pid, s.begun)
}

// orphans returns the processes that are start commands by the mark of their
// lease. What such a command has left running has its environment, but does not
// lead its session.
func orphans() map[string]int {
	found, buffer := map[string]int{}, make([]byte, maxEnviron)
	names, _ := folder.List("/proc") // without it none can be found
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		env := readProc(pid, "environ", buffer)
		_, mark, ok := strings.Cut("\x00"+string(env), "\x00"+leaseEnv)
		if sid, err := unix.Getsid(pid); ok && err == nil && sid == pid {
			mark, _, _ = strings.Cut(mark, "\x00")
			found[mark] = pid
		}
	}
	return found
}

// resume goes on with a restored lease and reports whether it is overdue.
func (l *Leases) resume(i int32) (overdue bool) {
	le := &l.leases[i]
	switch {
	case le.pid != 0:
		le.state = adopted
		l.wheel.Arm(int(i), l.at.Now.Add(adoptedPause))
	case le.end <= l.at.Now:
		l.run(i, stopping)
		return true
	default:
		le.state = open
		l.wheel.Arm(int(i), le.end)
	}
	return false
}

// lookAfter sees whether an adopted start command has ended, which nobody tells
// us of what is not our child.
func (l *Leases) lookAfter(i int32) {
	le := &l.leases[i]
	begun := le.end.Add(-le.length)
	if began(le.pid, begun) {
		if t := l.StartTimeout; t > 0 && l.at.Now > begun.Add(t) {
			l.Log(le.door.Name + ": command still runs, sent signal 9 (killed): " + Expand(le.door.Start, le.src))
			unix.Kill(-le.pid, unix.SIGKILL)
		}
		l.wheel.Arm(int(i), l.at.Now.Add(adoptedPause))
		return
	}
	le.pid = 0
	l.started(i)
}

// began reports whether a process is the one that began just after an instant:
// numbers of processes are used again.
func began(pid int, at matcher.Time) bool {
	start, ok := startTime(string(readProc(pid, "stat", make([]byte, 1024))))
	return ok && at.Add(-startSlack) <= start && start <= at.Add(startSlack)
}

// maxEnviron is how much of a process's environment is looked at, in bytes. A
// mark stands near its end.
const maxEnviron = 256 << 10

// readProc reads a file of a process in proc(5) into b; nothing if there is no
// such process any more.
func readProc(pid int, name string, b []byte) []byte {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	length := 0
	for length < len(b) {
		n, err := unix.Read(fd, b[length:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			break
		}
		length += n
	}
	return b[:length]
}

// startSlack is by how much a process may seem to begin before or after its
// record is written: the kernel tells it in hundredths of a second, and a busy
// machine takes its time.
const startSlack = 2 * time.Second

// startTime returns when a process began from its line in proc(5), pid/stat:
// field 22, in ticks of 10 ms since boot. A zombie has ended.
func startTime(stat string) (matcher.Time, bool) {
	end := strings.LastIndexByte(stat, ')') // the name before it may hold anything
	words := strings.Fields(stat[end+1:])
	if end < 0 || len(words) < 20 || words[0] == "Z" {
		return 0, false
	}
	ticks, err := strconv.ParseInt(words[19], 10, 64)
	return matcher.Time(0).Add(time.Duration(ticks) * 10 * time.Millisecond), err == nil
}

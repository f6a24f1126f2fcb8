package diff_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"sesame/e2e/netns"
)

// usual are the arguments of a daemon that a scenario says nothing about.
var usual = []string{"-i", netns.GatewayIf, "-c", "DIR/conf"}

// start starts both, and they must listen.
func start(l *lab) {
	l.t.Helper()
	l.launch(nil, usual...)
	wait(started, 1)(l)
}

// try starts both and waits until each listens or has ended; of one that has
// ended it notes the exit status. Without arguments they are the usual ones.
func try(args ...string) step { return tryWith(nil, args...) }

// tryWith is try through another program.
func tryWith(prefix []string, args ...string) step {
	if args == nil {
		args = usual
	}
	return func(l *lab) {
		l.t.Helper()
		l.launch(prefix, args...)
		for _, s := range l.sides {
			l.until(s, "its start or end", func() bool {
				s.down = s.proc.Exited()
				return s.down || strings.Contains(s.log(), "] starting up, listening on ")
			})
			if s.down {
				s.noteExit(l)
			}
		}
	}
}

// mounted is a program for tryWith: it puts a file of the side's in the place of
// one of the machine's.
func mounted(file, over string) []string {
	script := "touch " + over + " && mount --bind DIR/" + file + " " + over + ` && exec "$@"`
	return []string{"unshare", "-m", "sh", "-c", script, "sh"}
}

// nobody is a program for tryWith: it takes all rights away.
var nobody = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}

// public lets every user write the files of both.
var public = both(func(s *side) error {
	if err := os.WriteFile(s.file("log"), nil, 0o666); err != nil {
		return err
	}
	if err := os.Chmod(s.file("log"), 0o666); err != nil { // whatever the umask
		return err
	}
	return os.Chmod(s.dir, 0o777)
})

// background starts both with -d and waits until they listen.
func background(args ...string) step {
	return func(l *lab) {
		l.t.Helper()
		l.launch(nil, append([]string{"-d"}, args...)...)
		for _, s := range l.sides {
			s.noteExit(l)
		}
		wait(started, 1)(l)
	}
}

// signal sends a signal to both.
func signal(sig syscall.Signal) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.up() {
			if err := s.proc.Signal(sig); err != nil {
				l.t.Fatalf("%s: %v", s.name, err)
			}
		}
	}
}

// idle waits until both sleep and nothing wakes them. knockd reloads in its
// signal handler: interrupted in the middle of a packet, it may crash.
func (l *lab) idle() {
	l.t.Helper()
	for _, s := range l.up() {
		pid, err := s.proc.PID()
		if err != nil {
			l.t.Fatal(err)
		}
		before, quiet := "", 0
		l.until(s, "its rest", func() bool {
			now := activity(pid)
			if quiet++; now != before || !strings.Contains(now, "(sleeping)") {
				before, quiet = now, 0
			}
			return quiet == 3
		})
	}
}

// activity is a process's state and how often it has been run, see
// proc_pid_status(5).
func activity(pid int) string {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var text string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "State:") || strings.Contains(line, "ctxt_switches:") {
			text += line
		}
	}
	return text
}

// exits waits until both have ended.
func exits(l *lab) {
	l.t.Helper()
	for _, s := range l.up() {
		s.down = true
		s.noteExit(l)
	}
}

// knockdExits waits until knockd has ended, as sesame does not.
func knockdExits(l *lab) {
	l.t.Helper()
	l.sides[knockd].down = true
	l.sides[knockd].noteExit(l)
}

// stopKnockd ends knockd where it would not end by itself.
func stopKnockd(l *lab) {
	l.sides[knockd].down = true
	l.sides[knockd].proc.Kill()
}

// crash kills both daemons with their children, as a supervisor does that ends
// all of a service, and a power cut.
func crash(l *lab) {
	l.t.Helper()
	all, err := l.gw.Processes()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range l.sides {
		for pid, line := range all {
			if strings.Contains(line, s.file("conf")) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
					l.t.Fatal(err)
				}
			}
		}
		if _, err := s.proc.Exit(netns.Deadline); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (s *side) noteExit(l *lab) {
	l.t.Helper()
	code, err := s.proc.Exit(netns.Deadline)
	if err != nil {
		l.t.Fatal(err)
	}
	if code < 0 {
		s.note("ended by a signal")
		return
	}
	s.note(fmt.Sprint("exit status ", code))
}

// kill ends daemons in the background by the number in their pidfile, and notes
// the file that held it.
func kill(pattern string) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.sides {
			s.down = true
			found, err := filepath.Glob(s.file(pattern))
			if err != nil || len(found) != 1 {
				l.t.Fatalf("%s: pidfiles %v, %v", s.name, found, err)
			}
			name := filepath.Base(found[0])
			pid := s.read(name)
			if !regexp.MustCompile(`^[1-9][0-9]*\n$`).MatchString(pid) {
				l.t.Fatalf("%s: the pidfile holds %q", s.name, pid)
			}
			pid = strings.TrimSpace(pid)
			if err := l.gw.Run("sh", "-c", "kill "+pid); err != nil {
				l.t.Fatal(err)
			}
			l.until(s, "its end", func() bool { return l.gw.Run("sh", "-c", "kill -0 "+pid) != nil })
			if s.read(name) != "" {
				l.t.Errorf("%s: the pidfile %s is still there", s.name, name)
			}
			s.note("the pidfile was " + name)
		}
	}
}

// children counts the processes below a daemon.
func children(l *lab, s *side) string { return fmt.Sprint(s.children(l), " processes") }

func (s *side) children(l *lab) int {
	l.t.Helper()
	pid, err := s.proc.PID()
	if err != nil {
		l.t.Fatal(err)
	}
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		l.t.Fatal(err)
	}
	return len(strings.Fields(string(list)))
}

// only waits until no more than n processes are left below each: the sentinel's
// command takes a moment to end.
func only(n int) step {
	return func(l *lab) {
		l.t.Helper()
		for _, s := range l.up() {
			l.until(s, "the end of its commands", func() bool { return s.children(l) <= n })
		}
	}
}

// stderr is what a daemon printed.
func stderr(_ *lab, s *side) string { return s.common(strings.Join(s.proc.Lines(), "\n")) }

// says notes whether a daemon printed a text.
func says(text string) step {
	return note(func(l *lab, s *side) string {
		if strings.Contains(stderr(l, s), text) {
			return "it says " + text
		}
		return "it does not say " + text
	})
}

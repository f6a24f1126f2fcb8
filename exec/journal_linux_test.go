package exec

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newStateRig returns a rig whose leases are in a state file.
func newStateRig(t *testing.T, max int, path string) *rig {
	t.Helper()
	r := newRig(t, max)
	r.settings.StateFile = path
	r.restart()
	return r
}

// restart ends the daemon and begins another one.
func (r *rig) restart() {
	r.t.Helper()
	r.crash()
	r.lines, r.taken = nil, 0
	r.start()
}

// synced runs the loop until the disk has all.
func (r *rig) synced() {
	r.t.Helper()
	r.turns("the disk", func() bool { return !r.l.journal.busy })
}

// logs reports whether a line of the log holds a text.
func (r *rig) logs(text string) bool {
	return slices.ContainsFunc(r.lines, func(l string) bool { return strings.Contains(l, text) })
}

func statePath(t testing.TB) string { return filepath.Join(t.TempDir(), "state") }

// tmpfs returns a directory with a file system of so many bytes.
func tmpfs(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("sesame", dir, "tmpfs", 0, "size="+strconv.Itoa(size)); err == unix.EPERM && os.Getenv("CI") == "" {
		t.Skip("needs root: a file system cannot be mounted")
	} else if err != nil {
		t.Fatal("mount a tmpfs: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error("unmount: ", err)
		}
	})
	return dir
}

// replayed returns what a state file tells. It gives up this process's lock on
// the file.
func replayed(t testing.TB, path string) *replay {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var told replay
	for l := range bytes.Lines(data) {
		whole, ok := bytes.CutSuffix(l, []byte("\n"))
		if !ok {
			t.Errorf("%s ends in the middle of a line: %q", path, l)
		}
		told.line(whole)
	}
	for _, d := range told.damaged {
		t.Errorf("%s, line %d is damaged: %q", path, d.line, d.text)
	}
	return &told
}

// TestRecordedFirst checks from within the commands that a lease is in the file
// before its start command runs, and until its stop command has succeeded.
func TestRecordedFirst(t *testing.T) {
	path := statePath(t)
	r := newStateRig(t, DefaultOpen, path)
	fail := filepath.Join(t.TempDir(), "fail")
	touch(t, fail)
	look := "echo %IP%: $(grep -c '^........ open .* %IP% ' " + path + ") $(grep -c '^........ shut ' " + path + ")"
	d := sshDoor(look, look+"; ! test -e "+fail)
	r.l.Open(r.at(), d, alice)
	r.wait("192.0.2.7: 1 0")
	r.idle()
	r.l.Open(r.at(), d, bob)
	r.wait("198.51.100.9: 1 0")
	r.idle()
	r.pass(31 * time.Second)
	r.wait("192.0.2.7: 1 0")
	r.idle()
	if told := replayed(t, path); told.live != 2 {
		t.Errorf("the stop commands failed, and the file has %d leases", told.live)
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	r.pass(2 * time.Second)
	r.turns("both doors to shut", func() bool { return r.l.Len() == 0 })
	if told := replayed(t, path); told.live != 0 || told.last != 2 {
		t.Errorf("the file has %d leases after the end of both", told.live)
	}
}

// TestForeignFile names files as state files that belong to something else.
func TestForeignFile(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	image := make([]byte, 40<<10) // as ISO 9660 and ext4 begin: with zeros
	copy(image[32<<10:], "\x01CD001\x01\x00LINUX")
	for name, data := range map[string]string{
		"passwd":   "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
		"program":  string(self[:300<<10]),
		"image":    string(image),
		"line":     "no newline",
		"newline":  "\n",
		"newlines": strings.Repeat("\n", 100),
		"comment":  "# sesame's configuration\n[options]\n",
		"knockd":   "[options]\n\tUseSyslog\n",
		"long":     strings.Repeat("x", maxRecord+100) + "\n" + strings.Repeat("y", 100),
		"blank":    strings.Repeat(" ", 4096),
	} {
		path := statePath(t)
		for _, p := range []string{path, path + ".new"} {
			if err := os.WriteFile(p, []byte(data), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		_, err := NewLeases(Settings{StateFile: path, MaxOpen: 1, Log: func(string) {}}, Instant{})
		if err == nil || !strings.HasSuffix(err.Error(), "state: it is something else, and was left as it is; name another StateFile") {
			t.Errorf("%s is taken for a state file: %v", name, err)
		}
		for _, p := range []string{path, path + ".new"} {
			if got, err := os.ReadFile(p); err != nil || string(got) != data {
				t.Errorf("%s: %s is not what it was: %d bytes, %v", name, p, len(got), err)
			}
		}
	}
}

// TestNoFile names things as state files that are no files.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Mkdir(in("dir"), 0o755), unix.Mkfifo(in("fifo"), 0o600), os.WriteFile(in("file"), nil, 0o600),
		unix.Mknod(in("null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))), os.Symlink(in("nowhere/at all"), in("link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"dir": "open: is a directory", "fifo": "it is not a regular file", "null": "it is not a regular file",
		"file/state": "open: not a directory", "link": "open: no such file or directory",
	} {
		_, err := NewLeases(Settings{StateFile: in(name), MaxOpen: 1, Log: func(string) {}}, Instant{})
		if want := "use the state file " + in(name) + ": " + want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestDirectoriesMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "var", "lib", "sesame", "state")
	r := newStateRig(t, DefaultOpen, path)
	r.l.Open(r.at(), sshDoor("true", "true"), alice)
	r.idle()
	if told := replayed(t, path); told.live != 1 {
		t.Errorf("%d leases in the file", told.live)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
		t.Errorf("the file, which says who may come in, is %v, %v", st.Mode(), err)
	}
}

const secondFile = "SESAME_TEST_STATE_FILE"

// second runs another process that uses a state file, and returns what it says.
func second(t *testing.T, path string) string {
	t.Helper()
	c := exec.Command("/proc/self/exe", "-test.run=^TestSecondDaemon$")
	c.Env = append(os.Environ(), secondFile+"="+path)
	out, _ := c.CombinedOutput() // the status is of the test in it
	said, _, _ := strings.Cut(string(out), "\n")
	return said
}

// TestSecondDaemon starts a second daemon with the same file, at every stage of
// the first one's life.
func TestSecondDaemon(t *testing.T) {
	if path := os.Getenv(secondFile); path != "" {
		l, err := NewLeases(Settings{StateFile: path, MaxOpen: 1, Log: func(string) {}}, Instant{})
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			return
		}
		os.Stdout.WriteString("has " + strconv.Itoa(l.Len()) + "\n")
		l.Close()
		return
	}
	path := statePath(t)
	r := newStateRig(t, DefaultOpen, path)
	refused := "use the state file " + path + ": it is in use by process " + strconv.Itoa(os.Getpid()) + "; a second daemon needs a StateFile of its own"
	check := func(when, want string) {
		t.Helper()
		if got := second(t, path); got != want {
			t.Errorf("%s a second daemon says\n%s\nwant\n%s", when, got, want)
		}
	}
	check("at the start", refused)
	gate := fifo(t)
	r.l.Open(r.at(), sshDoor("(read x < "+gate+") & true", "true"), alice) // leaves a child behind
	r.idle()
	r.synced()
	r.l.journal.replace(r.l.records)
	check("while the file is replaced", refused)
	r.synced()
	check("after the file was replaced", refused)
	if r.l.journal.failures > 0 || r.logs("anew") {
		t.Errorf("the second daemon disturbs the first: %q", r.lines)
	}
	touch(t, path+".new")
	check("with a file half written", refused)
	if _, err := os.Stat(path + ".new"); err != nil {
		t.Error("the second daemon took the file that the first may be writing: ", err)
	}
	r.crash()
	check("after the first has ended", "has 1")
	release(t, gate)
}

// TestJournalLeaks checks that a daemon which ends, or cannot start, gives all
// back.
func TestJournalLeaks(t *testing.T) {
	r := newStateRig(t, DefaultOpen, statePath(t))
	r.l.Open(r.at(), sshDoor("true", "true"), alice)
	r.idle()
	bad := r.settings
	bad.StateFile = "/proc/self/exe"
	use := func() {
		if _, err := NewLeases(bad, r.at()); err == nil {
			t.Fatal("a program is taken for a state file")
		}
		r.l.journal.replace(r.l.records)
		r.restart()
		r.synced() // which opens the directory for a moment
	}
	use()
	fds, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 200 {
		use()
	}
	if n := openFiles(t); n != fds {
		t.Errorf("%d descriptors more than before", n-fds)
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 { // those that have just closed their channel
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if r.l.Len() != 1 {
		t.Errorf("%d leases after all that, want the one", r.l.Len())
	}
}

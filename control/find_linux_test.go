package control

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSocketFile(t *testing.T) {
	r := newRig(t) // which has no directory yet
	info, err := os.Stat(r.path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	info, err = os.Stat(filepath.Dir(r.path))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	r.close()
	if _, err := os.Lstat(r.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

// listenAt makes a socket that listens for as long as the test runs, unless it
// is closed.
func listenAt(t *testing.T, path string, backlog int) (fd int) {
	t.Helper()
	fd, err := socket()
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s"+Suffix)
	unix.Close(listenAt(t, path, 1))
	r := &rig{t: t, path: path, now: 1}
	r.listen()
	c := r.dial()
	c.send("hello\n")
	r.settle()
	c.want(greeting)
}

// TestLiveSocket checks that a socket at which somebody listens stays, also if
// so many wait there that there is no room for a probe.
func TestLiveSocket(t *testing.T) {
	for _, full := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "s"+Suffix)
		defer unix.Close(listenAt(t, path, 0))
		for full {
			if _, err := dial(t, path); err == unix.EAGAIN {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		fds := openFiles(t)
		s, err := Listen(path, nil)
		if err == nil {
			s.Close()
			t.Fatalf("full %v: taken over", full)
		}
		if want := "make the control socket " + path + ": a daemon listens there"; err.Error() != want {
			t.Errorf("full %v: %v", full, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("full %v: the socket is another: %v", full, err)
		}
		if n := openFiles(t); n != fds {
			t.Errorf("%d descriptors more", n-fds)
		}
	}
}

// TestNoSocket checks that what is no socket is left alone.
func TestNoSocket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	fds := openFiles(t)
	for _, path := range []string{file, link, dir, file + "/s", "/" + strings.Repeat("x", 107)} {
		if s, err := Listen(path, nil); err == nil {
			s.Close()
			t.Errorf("%s: no error", path)
		}
	}
	b, err := os.ReadFile(link)
	if err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if n := openFiles(t); n != fds {
		t.Errorf("%d descriptors more", n-fds)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for _, name := range []string{"b", "a", "c"} {
		path := dir + "/" + name + Suffix
		defer unix.Close(listenAt(t, path, 8))
		want = append(want, path)
	}
	unix.Close(listenAt(t, dir+"/stale"+Suffix, 1))
	defer unix.Close(listenAt(t, dir+"/other", 1))
	if err := os.WriteFile(dir+"/file"+Suffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	fds := openFiles(t)
	all := func(string) bool { return true }
	if got, err := Find(dir, all); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Find(dir, func(name string) bool { return name == "b" }); err != nil || !slices.Equal(got, want[1:2]) {
		t.Errorf("%v, %v", got, err)
	}
	for _, tt := range []struct {
		dir  string
		want func(string) bool
		none bool
	}{
		{dir, func(name string) bool { return name == "stale" || name == "file" }, true},
		{dir + "/none", all, true},
		{dir + "/file" + Suffix, all, false},
	} {
		got, err := Find(tt.dir, tt.want)
		if err == nil || errors.Is(err, ErrNone) != tt.none || len(got) != 0 {
			t.Errorf("%s: %v, %v", tt.dir, got, err)
		}
	}
	if n := openFiles(t); n != fds {
		t.Errorf("%d descriptors more", n-fds)
	}
}

// TestAsk has the client ask a daemon that answers, and daemons that do not.
func TestAsk(t *testing.T) {
	r := newRig(t)
	fds := openFiles(t)
	r.during(func() {
		var got []string
		line := func(words []string) error {
			got = append(got, strings.Join(words, " "))
			return nil
		}
		if err := Ask(r.path, []byte("hello\n"), line); err != nil || !slices.Equal(got, []string{"hello you"}) {
			t.Errorf("%q, %v", got, err)
		}
		if err := Ask(r.path, []byte("no\n"), line); err == nil || err.Error() != "what?" {
			t.Error(err)
		}
		if s, err := Read(r.path); err == nil || err.Error() != "what?" {
			t.Errorf("%+v, %v", s, err)
		}
		if err := Ask(r.path, []byte(strings.Repeat("x", 2*maxRequest)+"\n"), line); err == nil {
			t.Error("an over-long request is answered")
		}
		doors := 0
		if err := Ask(r.path, []byte("big\n"), func([]string) error { doors++; return nil }); err != nil || doors != bigDoors {
			t.Errorf("%d doors, %v", doors, err)
		}
	})
	r.close()
	if err := Ask(r.path, []byte("hello\n"), nil); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if n := openFiles(t); n != fds-2 { // the server's
		t.Errorf("%d descriptors more", n-fds+2)
	}
}

func TestSilentDaemon(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	limit := unix.NsecToTimeval(int64(time.Millisecond))
	unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	unix.Write(pair[1], []byte("hello"))
	if text, err := readAll(pair[0]); err == nil || err.Error() != "it says nothing" {
		t.Errorf("%q, %v", text, err)
	}
	unix.Write(pair[1], []byte("hello"))
	unix.Close(pair[1])
	if text, err := readAll(pair[0]); err != nil || text != "hello" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestDialInterrupted has signals come while the client waits for a daemon that
// is busy, as the runtime sends itself.
func TestDialInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s"+Suffix)
	fd := listenAt(t, path, 0)
	defer unix.Close(fd)
	if _, err := dial(t, path); err != nil {
		t.Fatal(err)
	}
	thread, result := make(chan int), make(chan error)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		client, err := Dial(path)
		unix.Close(client)
		result <- err
	}()
	tid := <-thread
	waits := func() bool {
		b, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/stat")
		_, after, _ := strings.Cut(string(b), ") ")
		return err == nil && strings.HasPrefix(after, "S")
	}
	for n := 0; n < 100; {
		select {
		case err := <-result:
			t.Fatalf("after %d signals: %v", n, err)
		default:
		}
		if waits() {
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			n++
		}
	}
	for {
		if one, _, err := unix.Accept(fd); err == nil {
			unix.Close(one)
			break
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

package control

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sesame/matcher"
)

const bigDoors = 100_000

// rig drives a Server as the daemon's loop does, on a clock of its own. Unix
// sockets deliver at once, so what is not there after a turn does not come.
type rig struct {
	t        *testing.T
	s        *Server
	path     string
	now      matcher.Time
	requests []string
	pieces   int // of big replies
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "run", "s"+Suffix), now: 1}
	r.listen()
	return r
}

func (r *rig) listen() {
	r.t.Helper()
	s, err := Listen(r.path, r.handle)
	if err != nil {
		r.t.Fatal(err)
	}
	r.s = s
	r.t.Cleanup(r.close)
}

func (r *rig) close() {
	if r.s != nil {
		r.s.Close()
		r.s = nil
	}
}

func (r *rig) handle(request string) Reply {
	r.requests = append(r.requests, request)
	switch request {
	case "big":
		return r.big()
	case "hello":
		return Said("hello", "you")
	}
	return Failed("what?")
}

// big is a reply of many doors.
func (r *rig) big() Reply {
	i := 0
	return func(b []byte) ([]byte, bool) {
		r.pieces++
		for range 64 {
			if i == bigDoors {
				return b, false
			}
			d := bigDoor(i)
			b = d.Append(b)
			i++
		}
		return b, true
	}
}

func bigDoor(i int) Door {
	return Door{Name: "ssh", Address: fmt.Sprintf("198.18.%d.%d", i>>8&0xff, i&0xff), State: "open", Opened: int64(i), Left: time.Second}
}

// turn is one turn of the loop and reports whether it called the server.
func (r *rig) turn() bool {
	r.t.Helper()
	ready := r.ready()
	if ready {
		r.s.Ready(r.now)
	}
	return ready
}

func (r *rig) ready() bool {
	r.t.Helper()
	fds := []unix.PollFd{{Fd: int32(r.s.FD()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if err == nil {
			return n > 0
		}
		if err != unix.EINTR {
			r.t.Fatal(err)
		}
	}
}

// settle runs the loop until there is nothing to do.
func (r *rig) settle() {
	r.t.Helper()
	for range 100_000 {
		if !r.turn() {
			return
		}
	}
	r.t.Fatal("the server does not come to rest")
}

// during runs the loop until f has returned.
func (r *rig) during(f func()) {
	r.t.Helper()
	done, deadline := make(chan struct{}), time.After(20*time.Second)
	go func() {
		defer close(done)
		f()
	}()
	for {
		unix.Poll([]unix.PollFd{{Fd: int32(r.s.FD()), Events: unix.POLLIN}}, 10)
		r.turn()
		select {
		case <-done:
			return
		case <-deadline:
			r.t.Fatal("waited in vain")
		default:
		}
	}
}

// conn is a client that does not wait.
type conn struct {
	t  *testing.T
	fd int
}

func (r *rig) dial() *conn {
	r.t.Helper()
	c, err := dial(r.t, r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func dial(t *testing.T, path string) (*conn, error) {
	t.Helper()
	fd, err := socket()
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{t, fd}
	t.Cleanup(c.close)
	return c, unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

func (c *conn) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

func (c *conn) send(text string) {
	c.t.Helper()
	if n, err := unix.Write(c.fd, []byte(text)); n != len(text) {
		c.t.Fatalf("%d of %d bytes sent, %v", n, len(text), err)
	}
}

// recv takes at most max bytes of what is there. over: no more comes.
func (c *conn) recv(max int) (text string, over bool) {
	c.t.Helper()
	b := make([]byte, max)
	at := 0
	for at < max {
		n, err := unix.Read(c.fd, b[at:])
		switch {
		case n > 0:
			at += n
		case err == nil || err == unix.ECONNRESET:
			return string(b[:at]), true
		case err == unix.EAGAIN:
			return string(b[:at]), false
		case err != unix.EINTR:
			c.t.Fatal(err)
		}
	}
	return string(b), false
}

// gone reports whether the server has closed the connection.
func (c *conn) gone() bool {
	fds := []unix.PollFd{{Fd: int32(c.fd)}}
	unix.Poll(fds, 0)
	return fds[0].Revents&unix.POLLHUP != 0
}

func (c *conn) want(text string) {
	c.t.Helper()
	if got, over := c.recv(64 << 10); got != text || !over {
		c.t.Errorf("got %q, over %v; want %q", got, over, text)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

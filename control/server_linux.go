// Package control lets a user look into a running daemon and open and shut
// doors by hand, over a unix socket.
//
// A request is one line: a word and its arguments, quoted as in Go where they
// may hold blanks. The reply is lines of the same kind, the last of which is
// "end" or "error TEXT". The daemon's side only lists what it has; what people
// and other programs read is made of it in the process that asked.
package control

import (
	"bytes"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sesame/fault"
	"sesame/matcher"
)

const (
	// maxClients is how many are served at once. Whoever comes when there are
	// so many takes the place of the one that has been there longest.
	maxClients = 8

	// maxRequest is the longest request, in bytes.
	maxRequest = 4096

	// patience is how long a client may take in all.
	patience = 10 * time.Second

	// pieceSize is about how much of a reply is put together at a time, in
	// bytes: a reply of any length costs neither memory nor time at a stretch.
	pieceSize = 8 << 10
)

// Reply puts a reply together piece by piece: it appends the next lines to b,
// about as many as fit, and reports whether there are more. When there are none
// the server ends the reply.
type Reply func(b []byte) (_ []byte, more bool)

// Server serves clients from the daemon's loop: it has no goroutine and never
// waits. Its methods must all be called from one goroutine.
type Server struct {
	path    string
	handle  func(request string) Reply
	epoll   int
	listen  int
	clients map[int32]*client
}

type client struct {
	fd       int
	deadline matcher.Time
	request  []byte
	reply    Reply // nil: there is no request yet, or no more to say
	out      []byte
	answered bool
}

// Listen makes the socket, with mode 0600, and its directory if there is none.
// A socket that nobody listens at any more is replaced. handle is called with
// each request, without its newline.
func Listen(path string, handle func(request string) Reply) (*Server, error) {
	s := &Server{path: path, handle: handle, clients: map[int32]*client{}}
	if err := s.open(); err != nil {
		return nil, fault.New("make the control socket "+path, err)
	}
	return s, nil
}

func (s *Server) open() (err error) {
	for i := 1; i < len(s.path); i++ {
		if s.path[i] == '/' {
			unix.Mkdir(s.path[:i], 0o755) // if that fails the socket cannot be made either
		}
	}
	probe, err := socket()
	if err != nil {
		return err
	}
	err = unix.Connect(probe, &unix.SockaddrUnix{Name: s.path})
	unix.Close(probe)
	switch err {
	case nil, unix.EAGAIN: // EAGAIN: many wait already
		return errors.New("a daemon listens there")
	case unix.ECONNREFUSED: // by what is no socket too
		var st unix.Stat_t
		if unix.Lstat(s.path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			unix.Unlink(s.path) // left by a daemon that was killed
		}
	}
	if s.listen, err = socket(); err != nil {
		return err
	}
	if s.epoll, err = s.serve(); err != nil {
		unix.Close(s.listen)
		return err
	}
	return nil
}

func (s *Server) serve() (epoll int, err error) {
	if err := unix.Bind(s.listen, &unix.SockaddrUnix{Name: s.path}); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	// Nobody can connect before listen.
	if err := unix.Chmod(s.path, 0o600); err != nil {
		return -1, os.NewSyscallError("chmod", err)
	}
	if err := unix.Listen(s.listen, maxClients); err != nil {
		return -1, os.NewSyscallError("listen", err)
	}
	if epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.listen)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, s.listen, &event); err != nil {
		unix.Close(epoll)
		return -1, os.NewSyscallError("epoll_ctl", err)
	}
	return epoll, nil
}

func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

// FD returns the descriptor to poll for reading; when it is ready, call Ready.
func (s *Server) FD() int { return s.epoll }

// Ready serves who is ready, each with one step.
func (s *Server) Ready(now matcher.Time) {
	var events [maxClients + 1]unix.EpollEvent
	n, err := unix.EpollWait(s.epoll, events[:], 0)
	if err != nil {
		return // EINTR: the descriptor is still ready
	}
	for _, ev := range events[:n] {
		if int(ev.Fd) == s.listen {
			s.accept(now)
		} else if c := s.clients[ev.Fd]; c != nil && !s.step(c) {
			s.drop(c)
		}
	}
}

func (s *Server) accept(now matcher.Time) {
	// unix.Accept4 would link the addresses of every family there is.
	accepted, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(s.listen), 0, 0, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
	if errno != 0 {
		return // it has gone again, or there is no descriptor: the next step sees
	}
	fd := int(accepted)
	if len(s.clients) == maxClients {
		s.drop(s.oldest())
	}
	c := &client{fd: fd, deadline: now.Add(patience)}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event) != nil {
		unix.Close(fd)
		return
	}
	s.clients[int32(fd)] = c
}

func (s *Server) oldest() (first *client) {
	for _, c := range s.clients {
		if first == nil || c.deadline < first.deadline {
			first = c
		}
	}
	return first
}

// step takes one step with a client and reports whether there are more.
func (s *Server) step(c *client) bool {
	if !c.answered {
		return s.read(c)
	}
	if len(c.out) == 0 {
		if c.reply == nil {
			return false
		}
		b, more := c.reply(c.out)
		if !more {
			b, c.reply = append(b, "end\n"...), nil
		}
		c.out = b
	}
	n, err := unix.Write(c.fd, c.out)
	if err != nil {
		return err == unix.EAGAIN || err == unix.EINTR
	}
	c.out = c.out[:copy(c.out, c.out[n:])]
	return len(c.out) > 0 || c.reply != nil
}

// read takes what there is of the request.
func (s *Server) read(c *client) bool {
	var b [512]byte
	n, err := unix.Read(c.fd, b[:])
	if n <= 0 {
		return err == unix.EAGAIN || err == unix.EINTR
	}
	c.request = append(c.request, b[:n]...)
	line, _, complete := bytes.Cut(c.request, []byte{'\n'})
	if !complete {
		return len(c.request) <= maxRequest
	}
	c.answered, c.out = true, make([]byte, 0, pieceSize)
	c.reply, c.request = s.handle(string(line)), nil
	event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(c.fd)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, c.fd, &event) == nil
}

func (s *Server) drop(c *client) {
	delete(s.clients, int32(c.fd))
	unix.Close(c.fd)
}

// Next returns when Expire must be called; Never: no client is there.
func (s *Server) Next() matcher.Time {
	if len(s.clients) == 0 {
		return matcher.Never
	}
	return s.oldest().deadline
}

// Expire drops clients that take too long.
func (s *Server) Expire(now matcher.Time) {
	for len(s.clients) > 0 {
		c := s.oldest()
		if c.deadline > now {
			return
		}
		s.drop(c)
	}
}

// Close drops all clients and removes the socket.
func (s *Server) Close() {
	for _, c := range s.clients {
		unix.Close(c.fd)
	}
	unix.Close(s.epoll)
	unix.Close(s.listen)
	unix.Unlink(s.path)
}

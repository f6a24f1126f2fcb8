package control

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

// answerTime is how long a daemon may be silent.
const answerTime = 10 * time.Second

// maxReply is the longest reply that is taken, in bytes. A million doors fit.
const maxReply = 256 << 20

// Dial connects to a socket. The error is a plain errno.
func Dial(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	limit := unix.NsecToTimeval(int64(answerTime))
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit) // of connect(2) as well
	for {
		switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
		case nil:
			return fd, nil
		case unix.EINTR: // a call with a time limit is not begun again by the kernel
		default:
			unix.Close(fd)
			return -1, err
		}
	}
}

// Ask sends a request to the daemon at path and calls line with the words of
// each line of the reply. It returns what the daemon says is wrong, or why it
// cannot be asked.
func Ask(path string, request []byte, line func(words []string) error) error {
	fd, err := Dial(path)
	if err != nil {
		return fault.New("ask the daemon at "+path, err)
	}
	defer unix.Close(fd)
	for len(request) > 0 {
		n, err := unix.Write(fd, request)
		if err != nil && err != unix.EINTR {
			return fault.New("ask the daemon at "+path, err)
		}
		request = request[max(n, 0):]
	}
	reply, err := readAll(fd)
	if err != nil {
		return fault.New("read the answer of the daemon at "+path, err)
	}
	return parseReply(reply, line)
}

func readAll(fd int) (string, error) {
	b := make([]byte, 0, 64<<10)
	for len(b) < maxReply {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return "", errors.New("it says nothing")
		case err != nil:
			return "", err
		case n == 0:
			return string(b), nil
		}
		b = b[:len(b)+n]
	}
	return "", errors.New("it does not end")
}

// parseReply calls line with each line of a reply that is complete.
func parseReply(reply string, line func(words []string) error) error {
	body, complete := strings.CutSuffix(reply, "end\n")
	if !complete || body != "" && !strings.HasSuffix(body, "\n") {
		return errors.New("the daemon broke off its answer")
	}
	for text := range strings.SplitSeq(strings.TrimSuffix(body, "\n"), "\n") {
		words, err := Split(text)
		if err == nil && len(words) == 2 && words[0] == "error" {
			return errors.New(words[1])
		}
		if err == nil && len(words) > 0 {
			err = line(words)
		}
		if err != nil {
			return fault.New("read the daemon's answer", err)
		}
	}
	return nil
}

// Read asks the daemon at path for its status.
func Read(path string) (*Status, error) {
	s := &Status{}
	err := Ask(path, []byte("status\n"), s.line)
	return s, err
}

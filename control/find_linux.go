package control

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sesame/fault"
)

// Suffix ends the name of every control socket.
const Suffix = ".sock"

// ErrNone means that no daemon listens.
var ErrNone = errors.New("no sesame daemon is running")

// Find returns the paths of the sockets in dir at which a daemon listens and
// whose name, without Suffix, the caller wants. The error wraps ErrNone when
// there are none.
func Find(dir string, want func(name string) bool) (paths []string, err error) {
	names, err := list(dir)
	if err != nil && err != unix.ENOENT {
		return nil, fault.New("look for daemons in "+dir, err)
	}
	slices.Sort(names)
	for _, name := range names {
		base, ok := strings.CutSuffix(name, Suffix)
		if !ok || !want(base) {
			continue
		}
		path := dir + "/" + name
		fd, err := Dial(path)
		switch err {
		case nil:
			unix.Close(fd)
			paths = append(paths, path)
		case unix.ECONNREFUSED, unix.ENOENT: // left by one that was killed, or gone meanwhile
		default:
			return nil, fault.New("ask the daemon at "+path, err)
		}
	}
	if len(paths) == 0 {
		return nil, fault.New("look for daemons in "+dir, ErrNone)
	}
	return paths, nil
}

func list(dir string) (names []string, err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var b [4096]byte
	for {
		n, err := unix.ReadDirent(fd, b[:])
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(b[:n], -1, names)
	}
}

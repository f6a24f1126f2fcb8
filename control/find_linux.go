package control

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sesame/fault"
	"sesame/folder"
)

// Suffix ends the name of every control socket.
const Suffix = ".sock"

// ErrNone means that no daemon listens.
var ErrNone = errors.New("no sesame daemon is running")

// Find returns the paths of the sockets in dir at which a daemon listens and
// whose name, without Suffix, the caller wants. The error wraps ErrNone when
// there are none.
func Find(dir string, want func(name string) bool) (paths []string, err error) {
	names, err := folder.List(dir)
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

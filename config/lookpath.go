package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// defaultPath is what dash and BusyBox's ash search where PATH is not set.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// LookPath reports why sh could not run prog, nil when it can: prog is a word
// of the shell's own, or names an executable regular file by its path or by a
// name in PATH. It asks for the file's mode only, not for the rights of the
// user who will run it.
func LookPath(prog string) error {
	if shellWord(prog) {
		return nil
	}
	if strings.Contains(prog, "/") {
		return executable(prog)
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = defaultPath
	}
	err := errors.New("not found in PATH")
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "." // as in sh
		}
		switch e := executable(dir + "/" + prog); {
		case e == nil:
			return nil
		case errors.Is(e, errNotExecutable):
			err = e
		}
	}
	return err
}

var errNotExecutable = errors.New("not an executable file")

func executable(file string) error {
	// os.Stat costs 30 kB of a router's flash (a FileInfo brings every form of
	// a time along).
	var st syscall.Stat_t
	if err := syscall.Stat(file, &st); errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	} else if err != nil {
		return err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Mode&0o111 == 0 {
		return errNotExecutable
	}
	return nil
}

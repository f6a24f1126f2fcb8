package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
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
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return errNotExecutable
	}
	return nil
}

package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"sesame/fault"
	"sesame/matcher"
)

// UseOneTime marks the first line of a one-time file that holds the sequence
// used, by # over the line's first character, and returns what ParseOneTime then
// finds: the next sequence in force, line 0 if none is left. It goes by the
// sequence, not by a line number, since the file may have been edited.
//
// The file is replaced by a new one of the same owner and mode, written to
// disk before it takes the name: after a full disk or a power cut the file is
// either as before or whole and marked. An error leaves it as it was.
func UseOneTime(path string, used []matcher.Port) (next int, seq []matcher.Port, bad []Error, err error) {
	doing := "mark a sequence of " + path + " as used"
	data, err := ReadFile(path)
	if err != nil {
		return 0, nil, nil, fault.New(doing, err)
	}
	marked, ok := markUsed(data, used)
	if !ok {
		return 0, nil, nil, errors.New(doing + ": no line holds it any more; reload after editing the file")
	}
	if err := replaceFile(target(path), marked); err != nil {
		return 0, nil, nil, fault.New(doing, err)
	}
	next, seq, bad = ParseOneTime(marked, path)
	return next, seq, bad, nil
}

// markUsed returns data with # as the first character of the line that holds a
// sequence and is not marked yet.
func markUsed(data []byte, used []matcher.Port) ([]byte, bool) {
	at := len(data) - len(cutBOM(data))
	for at < len(data) {
		end := len(data)
		if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if line, seq, _ := ParseOneTime(data[at:end], ""); line != 0 && slices.Equal(seq, used) {
			marked := bytes.Clone(data)
			marked[at] = '#'
			return marked, true
		}
		at = end
	}
	return nil, false
}

// target follows links, so that the file is replaced and not a link to it.
func target(path string) string {
	for range 40 { // as many as the kernel follows (path_resolution(7))
		link, err := os.Readlink(path)
		if err != nil {
			break
		}
		if link[0] != '/' {
			link = folder(path) + link
		}
		path = link
	}
	return path
}

// folder returns the path up to its last slash.
func folder(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }

// replaceFile puts a new file in the place of another.
func replaceFile(path string, data []byte) (err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return os.NewSyscallError("stat", err)
	}
	// What a power cut left of an earlier try is in the way.
	fresh := path + ".sesame-new"
	os.Remove(fresh)
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(fresh)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := f.Chmod(fs.FileMode(st.Mode & 0o777)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := syscall.Rename(fresh, path); err != nil { // os.Rename brings os.Stat along
		return os.NewSyscallError("rename", err)
	}
	return syncDir(folder(path) + ".")
}

// syncDir makes a rename last over a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

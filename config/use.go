package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"sesame/matcher"
)

// UseOneTime marks the sequence on a line of a one-time file as used, by # over
// the line's first character, and returns what ParseOneTime then finds: the
// next sequence in force, line 0 if none is left.
//
// The file is replaced by a new one of the same owner and mode, written to
// disk before it takes the name: after a full disk or a power cut the file is
// either as before or whole and marked. An error leaves it as it was.
func UseOneTime(path string, line int) (next int, seq []matcher.Port, bad []Error, err error) {
	// The file itself is replaced, not a link to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("mark line %d of %s as used: %w", line, path, err)
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("mark line %d of %s as used: %w", line, path, err)
	}
	marked, ok := markLine(data, line)
	if !ok {
		return 0, nil, nil, fmt.Errorf("mark line %d of %s as used: there is no such line: was the file edited? Reload after editing it", line, path)
	}
	if err := replaceFile(real, marked); err != nil {
		return 0, nil, nil, fmt.Errorf("mark line %d of %s as used: %w", line, path, err)
	}
	next, seq, bad = ParseOneTime(marked, path)
	return next, seq, bad, nil
}

// markLine returns data with # as the first character of a line, from 1. A
// line that is empty or marked already is none.
func markLine(data []byte, line int) ([]byte, bool) {
	at := 0
	for range line - 1 {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			return nil, false
		}
		at += n + 1
	}
	if at == 0 {
		at = len(data) - len(cutBOM(data))
	}
	if at == len(data) || data[at] == '\n' || data[at] == '#' {
		return nil, false
	}
	marked := bytes.Clone(data)
	marked[at] = '#'
	return marked, true
}

// replaceFile puts a new file in the place of another.
func replaceFile(path string, data []byte) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
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

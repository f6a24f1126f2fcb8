package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxProfileFile is the size at which a profile file is taken for something else.
const maxProfileFile = 1 << 20

// profile is a section of the profile file.
type profile struct {
	name string
	settings
}

// profilePath returns where the profiles are: under $XDG_CONFIG_HOME or
// ~/.config, on Windows under %AppData%.
func profilePath() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if runtime.GOOS == "windows" {
		if dir = os.Getenv("AppData"); dir == "" {
			return "", errors.New("find the profiles: %AppData% is not set")
		}
	}
	// Only absolute names count (XDG Base Directory Specification).
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the profiles: %w", err)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sesame", "knock.conf"), nil
}

// loadProfiles reads the profile file; the error wraps fs.ErrNotExist when there is none.
func loadProfiles() (path string, list []profile, err error) {
	if path, err = profilePath(); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return path, nil, fmt.Errorf("read the profiles: %w", err)
	case !info.Mode().IsRegular():
		return path, nil, fmt.Errorf("read the profiles: %s is not a file", path)
	case info.Size() > maxProfileFile:
		return path, nil, fmt.Errorf("read the profiles: %s is larger than 1 MiB, so it holds something else", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return path, nil, fmt.Errorf("read the profiles: %w", err)
	}
	list, err = parseProfiles(string(text), path)
	return path, list, err
}

// findProfile returns one profile of the file.
func findProfile(name string) (profile, error) {
	path, list, err := loadProfiles()
	if errors.Is(err, fs.ErrNotExist) {
		return profile{}, fmt.Errorf("%q: no ports, and no profile of this name, because there is no %s; give ports or write that file", name, path)
	}
	if err != nil {
		return profile{}, err
	}
	for _, p := range list {
		if p.name == name {
			return p, nil
		}
	}
	return profile{}, fmt.Errorf("%q: no ports, and no profile of this name in %s; give ports, or see knock --list", name, path)
}

// parseProfiles reads a profile file. The format is knockd.conf's: [name]
// lines, key = value lines with keys in any case, # before a comment. The
// error is that of the first line that cannot be used, as file:line: key: reason.
func parseProfiles(text, file string) ([]profile, error) {
	p := profileParser{file: file}
	text = strings.TrimPrefix(text, "\ufeff")
	for raw := range strings.Lines(text) {
		p.line++
		if err := p.statement(trim(raw)); err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return p.list, nil
}

type profileParser struct {
	file  string
	line  int
	start int // line of the last header
	list  []profile
}

func (p *profileParser) fault(line int, key, reason string) error {
	if key != "" {
		key += ": "
	}
	return fmt.Errorf("%s:%d: %s%s", p.file, line, key, reason)
}

func (p *profileParser) statement(line string) error {
	switch {
	case line == "" || line[0] == '#':
		return nil
	case !utf8.ValidString(line) || strings.IndexFunc(line, func(c rune) bool { return unicode.IsControl(c) && c != '\t' }) >= 0:
		return p.fault(p.line, "", fmt.Sprintf("%q holds a control character or is not UTF-8; write the line again", line))
	case line[0] == '[':
		return p.header(line)
	}
	name, value, has := strings.Cut(line, "=")
	name, value = trim(name), trim(value)
	if len(p.list) == 0 {
		return p.fault(p.line, "", fmt.Sprintf("%q stands before the first profile; write [name] above it", line))
	}
	k := keyHost
	for k < numKeys && !strings.EqualFold(keyNames[k], name) {
		k++
	}
	if k == numKeys {
		return p.fault(p.line, fmt.Sprintf("%q", name), "unknown key; the keys are "+strings.Join(keyNames[:], ", "))
	}
	if !has {
		return p.fault(p.line, keyNames[k], fmt.Sprintf("has no value; write %s = %s", keyNames[k], wanted[k]))
	}
	s := &p.list[len(p.list)-1].settings
	if s.given(k) {
		return p.fault(p.line, keyNames[k], "is set twice in this profile; leave out one")
	}
	place := fmt.Sprintf("%s:%d: %s", p.file, p.line, keyNames[k])
	if err := s.set(k, place, value); err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	return nil
}

func (p *profileParser) header(line string) error {
	if err := p.end(); err != nil {
		return err
	}
	name, closed := strings.CutSuffix(line[1:], "]")
	name = trim(name)
	switch {
	case !closed || strings.ContainsAny(name, "[]\t"):
		return p.fault(p.line, "", fmt.Sprintf("%q is not a header; write [name] and nothing after it", line))
	case name == "":
		return p.fault(p.line, "", "the profile has no name; write [name]")
	case name[0] == '-':
		return p.fault(p.line, "", fmt.Sprintf("%q would be taken for an option; choose a name without - at its beginning", name))
	}
	for _, other := range p.list {
		if other.name == name {
			return p.fault(p.line, "", fmt.Sprintf("there is a profile %q above; choose another name", name))
		}
	}
	p.list, p.start = append(p.list, profile{name: name}), p.line
	return nil
}

// end checks the profile that has been read.
func (p *profileParser) end() error {
	if len(p.list) == 0 {
		return nil
	}
	last := &p.list[len(p.list)-1]
	for _, k := range []key{keyHost, keySequence} {
		if !last.given(k) {
			return p.fault(p.start, keyNames[k], fmt.Sprintf("profile %q has none; add %s = %s", last.name, keyNames[k], wanted[k]))
		}
	}
	_, err := last.complete()
	return err
}

// Package vm boots Debian's kernel in an emulator, with an initramfs that it
// makes of Debian packages and of programs built here: for tests of what the
// machine's own kernel cannot. Nothing is installed, and nothing is left but
// the packages, in the user's cache folder.
package vm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// deb is a package's file, as apt-get says.
type deb struct {
	name   string // of the file
	size   int64
	sha256 string // "": apt knows another sum, and has compared that one
}

// Fetch downloads the packages called names, with the libraries that they
// depend on, and returns their files. What cache has already is not fetched
// again; other packages that it has are removed.
func Fetch(cache string, names []string) ([]string, error) {
	names, err := withLibraries(names)
	if err != nil {
		return nil, err
	}
	debs, err := locate(names)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	if err := prune(cache, debs); err != nil {
		return nil, err
	}
	download := []string{"download", "-qq"}
	for i, d := range debs {
		if d.check(cache) != nil {
			download = append(download, names[i])
		}
	}
	if len(download) > 2 {
		if _, err := apt(cache, "apt-get", download...); err != nil {
			return nil, err
		}
	}
	var files []string
	for _, d := range debs {
		if err := d.check(cache); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(cache, d.name))
	}
	return files, nil
}

// apt runs one of apt's programs in a folder and returns what it printed.
func apt(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, append([]string{"-o", "APT::Sandbox::User="}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s (is this Debian, and was apt-get update run?)", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// withLibraries adds the packages of libraries that packages depend on, and
// the kernel that a kernel's package of no version stands for.
func withLibraries(names []string) ([]string, error) {
	all := slices.Clone(names)
	for next := names; len(next) > 0; {
		out, err := apt("", "apt-cache", append([]string{"depends"}, next...)...)
		if err != nil {
			return nil, err
		}
		next = nil
		for _, name := range dependencies(out) {
			if !slices.Contains(all, name) {
				all, next = append(all, name), append(next, name)
			}
		}
	}
	return all, nil
}

// dependencies reads what apt-cache depends prints.
func dependencies(out string) (names []string) {
	for line := range strings.Lines(out) {
		kind, name, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if !strings.HasSuffix(kind, "Depends") || strings.Contains(name, ":") { // another architecture's
			continue
		}
		for _, prefix := range []string{"lib", "zlib", "linux-image-"} {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}

// locate asks for the file of each package, in the same order.
func locate(names []string) ([]deb, error) {
	// It is silent about files that lie in the folder where it runs.
	empty, err := os.MkdirTemp("", "sesame-vm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(empty)
	out, err := apt(empty, "apt-get", append([]string{"download", "--print-uris"}, names...)...)
	if err != nil {
		return nil, err
	}
	debs, err := parseURIs(out)
	if err != nil {
		return nil, err
	}
	inOrder := make([]deb, len(names))
	for i, name := range names {
		at := slices.IndexFunc(debs, func(d deb) bool { return strings.HasPrefix(d.name, name+"_") })
		if at < 0 {
			return nil, errors.New("apt-get has no file for the package " + name)
		}
		inOrder[i] = debs[at]
	}
	return inOrder, nil
}

// parseURIs reads lines such as
//
//	'http://example.org/pool/a_1%2b2.deb' a_1+2.deb 1234 SHA256:89ab…
func parseURIs(out string) (debs []deb, err error) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
			continue
		}
		d := deb{name: f[1]}
		if d.size, err = strconv.ParseInt(f[2], 10, 64); err != nil || filepath.Base(d.name) != d.name {
			return nil, fmt.Errorf("apt-get prints %q, want an address, a file and its size", line)
		}
		if len(f) > 3 {
			if sum, ok := strings.CutPrefix(f[3], "SHA256:"); ok {
				d.sha256 = sum
			}
		}
		debs = append(debs, d)
	}
	return debs, nil
}

// check returns an error unless the file is in the folder, whole.
func (d deb) check(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, d.name))
	if err != nil {
		return err
	}
	if int64(len(content)) != d.size {
		return fmt.Errorf("%s has %d bytes, want %d", d.name, len(content), d.size)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(content)); d.sha256 != "" && sum != d.sha256 {
		return fmt.Errorf("%s has the SHA256 %s, want %s", d.name, sum, d.sha256)
	}
	return nil
}

// prune removes packages from the cache that are none of debs, and what is not
// whole of those.
func prune(cache string, debs []deb) error {
	have, err := filepath.Glob(filepath.Join(cache, "*.deb"))
	if err != nil {
		return err
	}
	for _, path := range have {
		at := slices.IndexFunc(debs, func(d deb) bool { return d.name == filepath.Base(path) })
		if at >= 0 && debs[at].check(cache) == nil {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// Unpack unpacks packages into a folder, as one tree.
func Unpack(files []string, dir string) error {
	for _, file := range files {
		if out, err := exec.Command("dpkg", "-x", file, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("dpkg -x %s: %w: %s", filepath.Base(file), err, out)
		}
	}
	return nil
}

package vm

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Initramfs is the first file system of a kernel, in memory.
type Initramfs struct {
	root  string // of the unpacked packages
	out   bytes.Buffer
	zip   *gzip.Writer
	inode int
	have  map[string]bool
	err   error
}

// NewInitramfs begins a file system of packages that are unpacked in root. It
// has a console; what else is in /dev is the guest's business.
func NewInitramfs(root string) *Initramfs {
	r := &Initramfs{root: root, have: map[string]bool{}}
	r.zip, r.err = gzip.NewWriterLevel(&r.out, gzip.BestSpeed)
	r.folder("dev")
	r.entry("dev/console", 0o020600, nil, 5, 1) // a character device
	return r
}

// Bytes ends the file system and returns it.
func (r *Initramfs) Bytes() ([]byte, error) {
	r.entry("TRAILER!!!", 0, nil, 0, 0)
	err := errors.Join(r.err, r.zip.Close())
	return r.out.Bytes(), err
}

// File adds a file with the folders it is in, unless it is there.
func (r *Initramfs) File(name string, content []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if r.have[name] {
		return
	}
	r.folder(path.Dir(name))
	r.entry(name, 0o100755, content, 0, 0)
}

func (r *Initramfs) folder(name string) {
	if name == "." || r.have[name] {
		return
	}
	r.folder(path.Dir(name))
	r.entry(name, 0o040755, nil, 0, 0)
}

// entry writes a file in cpio's format "newc" (the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst).
func (r *Initramfs) entry(name string, mode int, content []byte, major, minor int) {
	r.have[name] = true
	r.inode++
	var b bytes.Buffer
	fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		r.inode, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name)+1, 0, name)
	b.Write(make([]byte, -b.Len()&3))
	b.Write(content)
	b.Write(make([]byte, -b.Len()&3))
	if _, err := r.zip.Write(b.Bytes()); r.err == nil {
		r.err = err
	}
}

// Program adds a program of the packages, found by a pattern such as
// "*bin/ip", with the libraries it needs. It is called name then.
func (r *Initramfs) Program(name, pattern string) error {
	content, err := r.find(pattern)
	if err != nil {
		return err
	}
	r.File(name, content)
	return r.libraries(name, content)
}

// libraries adds what a program or a library is linked with.
func (r *Initramfs) libraries(name string, content []byte) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		loader, err := io.ReadAll(p.Open())
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		at := strings.TrimRight(string(loader), "\x00")
		if content, err = r.find("*" + path.Base(at)); err != nil {
			return err
		}
		r.File(at, content)
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for _, library := range needed {
		at := "lib/" + library // where the loader looks on every architecture
		if r.have[at] {
			continue
		}
		content, err := r.find("*/" + library)
		if err != nil {
			return fmt.Errorf("%s needs: %w", name, err)
		}
		r.File(at, content)
		if err := r.libraries(library, content); err != nil {
			return err
		}
	}
	return nil
}

// find returns the first file of the packages whose path matches a pattern, in
// which only the first sign may be a *, for any text.
func (r *Initramfs) find(pattern string) (content []byte, err error) {
	end, any := strings.CutPrefix(pattern, "*")
	err = filepath.WalkDir(r.root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel := strings.TrimPrefix(p, r.root+"/")
		if rel != end && !(any && strings.HasSuffix(rel, end)) {
			return nil
		}
		// The target of a link to an absolute path is in the packages, too.
		if to, err := os.Readlink(p); err == nil && path.IsAbs(to) {
			p = r.root + to
		}
		if content, err = os.ReadFile(p); err != nil {
			return err
		}
		return fs.SkipAll
	})
	if err == nil && content == nil {
		err = errors.New("no package has a file " + pattern)
	}
	return content, err
}

// Modules adds kernel modules, with those that they depend on, and the file
// /modules: their paths in the order in which they can be loaded. Modules that
// are not in the package are built in, or the guest will find out.
func (r *Initramfs) Modules(names []string) error {
	paths := map[string]string{}
	err := filepath.WalkDir(r.root, func(p string, e fs.DirEntry, err error) error {
		if base, _, ok := strings.Cut(filepath.Base(p), ".ko"); ok && err == nil && !e.IsDir() {
			paths[moduleName(base)] = p
		}
		return err
	})
	if err != nil {
		return err
	}
	var order []string
	var add func(name string) error
	add = func(name string) error {
		p := paths[name]
		at := "/lib/modules/" + name + ".ko"
		if p == "" || slices.Contains(order, at) {
			return nil
		}
		content, err := readModule(p)
		if err != nil {
			return err
		}
		needed, err := dependsOn(content)
		if err != nil {
			return fmt.Errorf("read %s: %w", p, err)
		}
		for _, n := range needed {
			if err := add(n); err != nil {
				return err
			}
		}
		order = append(order, at)
		r.File(at, content)
		return nil
	}
	for _, name := range names {
		if err := add(moduleName(name)); err != nil {
			return err
		}
	}
	r.File("modules", []byte(strings.Join(order, "\n")))
	return nil
}

// moduleName is how the kernel writes a module's name.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// readModule reads a module, which newer packages have compressed.
func readModule(p string) ([]byte, error) {
	if strings.HasSuffix(p, ".xz") {
		return exec.Command("xz", "-dc", p).Output()
	}
	return os.ReadFile(p)
}

// dependsOn returns the modules that one has to be loaded after.
func dependsOn(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, line := range strings.Split(string(info), "\x00") {
		// A soft dependency is one by another name, such as that of an algorithm.
		if list, ok := strings.CutPrefix(line, "depends="); ok && list != "" {
			names = append(names, strings.Split(list, ",")...)
		} else if list, ok := strings.CutPrefix(line, "softdep=pre: "); ok {
			names = append(names, strings.Fields(list)...)
		}
	}
	for i := range names {
		names[i] = moduleName(names[i])
	}
	return names, nil
}

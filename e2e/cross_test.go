package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sesame/e2e/suite"
)

const crossVersion = "v9.8.7-crosstest"

// crossTargets is the promise to users, kept apart from the list in
// packaging/cross.sh so that a target cannot vanish from there unseen. qemu is
// empty where the machine of the test runs the program itself; 386 is such a
// case because qemu-i386 cannot run threads of a Go program.
var crossTargets = []struct {
	name    string
	machine elf.Machine
	class   elf.Class
	order   binary.ByteOrder
	qemu    []string
}{
	{"amd64", elf.EM_X86_64, elf.ELFCLASS64, binary.LittleEndian, nil},
	{"386", elf.EM_386, elf.ELFCLASS32, binary.LittleEndian, nil},
	{"arm64", elf.EM_AARCH64, elf.ELFCLASS64, binary.LittleEndian, []string{"qemu-aarch64-static"}},
	// The oldest processor of each ARM generation: it has no more than the name promises.
	{"armv5", elf.EM_ARM, elf.ELFCLASS32, binary.LittleEndian, []string{"qemu-arm-static", "-cpu", "arm926"}},
	{"armv6", elf.EM_ARM, elf.ELFCLASS32, binary.LittleEndian, []string{"qemu-arm-static", "-cpu", "arm1176"}},
	{"armv7", elf.EM_ARM, elf.ELFCLASS32, binary.LittleEndian, []string{"qemu-arm-static", "-cpu", "cortex-a7"}},
	// 24Kc: the common router core, without an FPU.
	{"mips", elf.EM_MIPS, elf.ELFCLASS32, binary.BigEndian, []string{"qemu-mips-static", "-cpu", "24Kc"}},
	{"mipsle", elf.EM_MIPS, elf.ELFCLASS32, binary.LittleEndian, []string{"qemu-mipsel-static", "-cpu", "24Kc"}},
	{"mips64", elf.EM_MIPS, elf.ELFCLASS64, binary.BigEndian, []string{"qemu-mips64-static"}},
	{"mips64le", elf.EM_MIPS, elf.ELFCLASS64, binary.LittleEndian, []string{"qemu-mips64el-static"}},
	{"riscv64", elf.EM_RISCV, elf.ELFCLASS64, binary.LittleEndian, []string{"qemu-riscv64-static"}},
}

// TestCrossDockerfile builds every target twice: with the host's Go and build
// cache, and from Dockerfile.cross in an image without network and with an
// empty cache. Source, Go and module folders have other paths there, so equal
// bytes show that nothing of the place of the build gets into a binary.
func TestCrossDockerfile(t *testing.T) {
	suite.NeedRoot(t)
	suite.Need(t, "buildah", "busybox")
	host := filepath.Join(t.TempDir(), "host")
	crossBuildHost(t, host)
	image := newCrossImage(t)
	inside := filepath.Join(t.TempDir(), "image")
	image.buildDockerfile(t, inside)

	want, got := crossSums(t, host), crossSums(t, inside)
	if len(want) != len(crossTargets)+1 {
		t.Errorf("packaging/cross.sh made %d files, want %d targets and SHA256SUMS", len(want), len(crossTargets))
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("Dockerfile.cross made %s, make cross did not", name)
		}
	}
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s differs: sha256 %q from packaging/cross.sh, %q from Dockerfile.cross", name, sum, got[name])
		}
	}
	for _, target := range crossTargets {
		t.Run(target.name, func(t *testing.T) {
			path := filepath.Join(inside, "sesame-linux-"+target.name)
			crossCheckELF(t, path, target.machine, target.class, target.order)
			crossCheckVersion(t, path, target.qemu)
		})
	}
}

func crossCheckELF(t *testing.T, path string, machine elf.Machine, class elf.Class, order binary.ByteOrder) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != machine || f.Class != class || f.ByteOrder != order {
		t.Errorf("built for %v %v %v, want %v %v %v", f.Machine, f.Class, f.ByteOrder, machine, class, order)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: program header %v", p.Type)
		}
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("not stripped")
	}
}

func crossCheckVersion(t *testing.T, path string, qemu []string) {
	t.Helper()
	args := append(append([]string{}, qemu...), path, "--version")
	if len(qemu) > 0 {
		// Debian 13 dropped the end of the name.
		if short := strings.TrimSuffix(qemu[0], "-static"); crossHas(short) {
			args[0] = short
		}
		suite.Need(t, args[0])
	}
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), crossVersion) {
		t.Errorf("%s: %v, output %q; want the version %s", strings.Join(args, " "), err, out, crossVersion)
	}
}

// crossSums maps the name of each file in dir to its SHA-256.
func crossSums(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]string, len(entries))
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[e.Name()] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return sums
}

// crossELF makes the smallest file that the script has to judge: an ELF header
// (elf(5)) and one program header.
func crossELF(class elf.Class, order binary.ByteOrder, kind elf.ProgType) []byte {
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(class), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	if order == binary.BigEndian {
		ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	var b bytes.Buffer
	if class == elf.ELFCLASS32 {
		binary.Write(&b, order, elf.Header32{Ident: ident, Phoff: 52, Phentsize: 32, Phnum: 1})
		binary.Write(&b, order, elf.Prog32{Type: uint32(kind)})
	} else {
		binary.Write(&b, order, elf.Header64{Ident: ident, Phoff: 64, Phentsize: 56, Phnum: 1})
		binary.Write(&b, order, elf.Prog64{Type: uint32(kind)})
	}
	return b.Bytes()
}

// TestCrossRefuses runs the script with a stand-in for the go command that
// "builds" a given file, so that each refusal is seen to happen.
func TestCrossRefuses(t *testing.T) {
	static := crossELF(elf.ELFCLASS32, binary.LittleEndian, elf.PT_LOAD)
	tests := []struct {
		name   string
		file   []byte
		target string
		env    string
		want   string // in the error; empty: no error
	}{
		{"static 32-bit little-endian", static, "mipsle", "", ""},
		{"static 32-bit big-endian", crossELF(elf.ELFCLASS32, binary.BigEndian, elf.PT_LOAD), "mips", "", ""},
		{"static 64-bit little-endian", crossELF(elf.ELFCLASS64, binary.LittleEndian, elf.PT_LOAD), "amd64", "", ""},
		{"static 64-bit big-endian", crossELF(elf.ELFCLASS64, binary.BigEndian, elf.PT_LOAD), "mips64", "", ""},
		{"dynamic 32-bit big-endian", crossELF(elf.ELFCLASS32, binary.BigEndian, elf.PT_INTERP), "mips", "", "not a static ELF"},
		{"dynamic 64-bit little-endian", crossELF(elf.ELFCLASS64, binary.LittleEndian, elf.PT_INTERP), "amd64", "", "not a static ELF"},
		{"cut off", static[:60], "mipsle", "", "not a static ELF"},
		{"a script", []byte("#!/bin/sh\n"), "amd64", "", "not a static ELF"},
		{"size at the limit", static, "mipsle", "MAX_BYTES=84", ""},
		{"size over the limit", static, "mipsle", "MAX_BYTES=83", "has 84 bytes, the limit is 83"},
		{"size over the limit elsewhere", static, "armv5", "MAX_BYTES=83", ""},
		{"compressed size over the limit", static, "mipsle", "MAX_XZ=10", "as xz, the limit is 10"},
		{"no xz where it is needed", static, "mipsle", "XZ=no-such-xz", "xz is missing"},
		{"unknown target", static, "vax", "", "there is no target vax"},
	}
	suite.Need(t, "xz")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "file"), tt.file, 0o755); err != nil {
				t.Fatal(err)
			}
			fake := "#!/bin/sh\n[ \"$1\" != env ] || { echo go0; exit; }\n" +
				"while [ \"$1\" != -o ]; do shift; done\ncp '" + dir + "/file' \"$2\"\n"
			if err := os.WriteFile(filepath.Join(dir, "go"), []byte(fake), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "../packaging/cross.sh", filepath.Join(dir, "out"), tt.target)
			cmd.Env = append(os.Environ(), "GO="+dir+"/go", "NEED_XZ=1", tt.env)
			out, err := cmd.CombinedOutput()
			if tt.want == "" && err != nil {
				t.Errorf("refused: %v\n%s", err, out)
			}
			if tt.want != "" && (err == nil || !strings.Contains(string(out), tt.want)) {
				t.Errorf("error %v, output %q; want an error with %q", err, out, tt.want)
			}
		})
	}
}

package knock_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sesame/e2e/suite"
)

// randomDLL returns bcryptprimitives.dll for x86-64 with the one function that
// Go programs look for in it, and that Wine has only since 9.0. It fills the
// buffer from the processor's clock: enough for hash tables, not for secrets.
// The layout is that of Microsoft's PE format, "The .edata Section".
func randomDLL() []byte {
	const (
		rva  = 0x1000 // of the one section
		file = 0x200  // where that stands in the file
	)
	code := []byte{
		0x49, 0x89, 0xd0, // mov r8, rdx: the length
		0x4d, 0x85, 0xc0, // test r8, r8
		0x74, 0x0c, // jz done
		0x0f, 0x31, // next: rdtsc
		0x88, 0x01, // mov [rcx], al
		0x48, 0xff, 0xc1, // inc rcx
		0x49, 0xff, 0xc8, // dec r8
		0x75, 0xf4, // jnz next
		0xb8, 1, 0, 0, 0, // done: mov eax, 1
		0xc3, // ret
	}
	section := make([]byte, 0x200)
	copy(section, code)
	const exports, list, dll, function = 0x40, 0x80, 0xa0, 0xc0 // offsets in the section
	put := func(b []byte, words ...any) {
		var out bytes.Buffer
		for _, w := range words {
			_ = binary.Write(&out, binary.LittleEndian, w) // into memory
		}
		copy(b, out.Bytes())
	}
	put(section[exports:], uint32(0), uint32(0), uint32(0), uint32(rva+dll), uint32(1), // flags, time, version, name, ordinal base
		uint32(1), uint32(1), uint32(rva+list), uint32(rva+list+4), uint32(rva+list+8)) // counts and tables of functions, names, ordinals
	put(section[list:], uint32(rva), uint32(rva+function), uint16(0))
	copy(section[dll:], "bcryptprimitives.dll")
	copy(section[function:], "ProcessPrng")

	image := make([]byte, file, file+len(section))
	put(image, []byte("MZ"))
	put(image[0x3c:], uint32(0x40))
	put(image[0x40:], []byte("PE\x00\x00"),
		uint16(0x8664), uint16(1), uint32(0), uint32(0), uint32(0), uint16(240), uint16(0x2022), // COFF: one section, a DLL
		uint16(0x20b), uint16(0), uint32(0x200), uint32(0), uint32(0), uint32(0), uint32(rva), // PE32+
		uint64(0x180000000), uint32(0x1000), uint32(0x200), [6]uint16{6, 0, 0, 0, 6, 0}, uint32(0), // base, alignments, versions
		uint32(0x2000), uint32(0x200), uint32(0), uint16(2), uint16(0x100), // sizes, checksum, subsystem, NX
		[4]uint64{0x100000, 0x1000, 0x100000, 0x1000}, uint32(0), uint32(16), // stack, heap, directories
		uint32(rva+exports), uint32(0x200-exports), [30]uint32{},
		[8]byte{'.', 't', 'e', 'x', 't'}, uint32(0x200), uint32(rva), uint32(0x200), uint32(file), [3]uint32{}, uint32(0x60000020))
	return append(image, section...)
}

// TestWindows runs the Windows build under Wine: the packets on the wire are
// the same, and so are messages and exit statuses.
func TestWindows(t *testing.T) {
	t.Parallel()
	suite.Need(t, "wine", "unshare")
	l := newLab(t)
	if err := suite.Build(filepath.Join(l.dir, "knock.exe"), "sesame/knock", nil, []string{"GOOS=windows"}); err != nil {
		t.Fatal(err)
	}
	wine := func(args ...string) result {
		t.Helper()
		// Wine has a folder of sockets in /tmp, which must not be the machine's.
		cmd := l.cl.Command("unshare", append([]string{"-m", "sh", "-c", `mount --bind "$0" /tmp && exec wine "$@"`, l.dir}, args...)...)
		cmd.Env = append(os.Environ(), "HOME=/tmp", "WINEPREFIX=/tmp/prefix", "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "DISPLAY=")
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return result{strings.ReplaceAll(out.String(), "\r\n", "\n"), errs.String(), cmd.ProcessState.ExitCode()}
	}
	if r := wine("wineboot", "-i"); r.code != 0 {
		t.Fatalf("set Wine up: status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	system := filepath.Join(l.dir, "prefix/drive_c/windows/system32/bcryptprimitives.dll")
	if _, err := os.Stat(system); err != nil {
		if err := os.WriteFile(system, randomDLL(), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wire := l.tap()
	for _, test := range []struct{ source, address string }{{client, gateway}, {client6, gateway6}} {
		r := wine(append([]string{"/tmp/knock.exe", "-v", "-d", "0", test.address}, mixed...)...)
		if r.code != 0 || strings.Count(r.stdout, "hitting tcp "+test.address+":") != 12 {
			t.Fatalf("status %d: %q %q", r.code, r.stdout, r.stderr)
		}
		l.noAttempts()
		want(t, wire.packets(), test.source, mixed...)
	}
	r := wine("/tmp/knock.exe", "203.0.113.1", "7000")
	if r.code != 1 || !strings.Contains(r.stderr, "knock: 203.0.113.1: no route: ") {
		t.Errorf("no route: status %d: %q", r.code, r.stderr)
	}
	if r := wine("/tmp/knock.exe", "-d"); r.code != 2 {
		t.Errorf("usage: status %d: %q", r.code, r.stderr)
	}
	if r := wine("/tmp/knock.exe", "--wait", "22", "--timeout", "1", gateway, "7000"); r.code != 4 {
		t.Errorf("--wait: status %d: %q", r.code, r.stderr)
	}
	want(t, wire.packets()[:1], client, "7000")
	folder := filepath.Join(l.dir, "prefix/drive_c/users/root/AppData/Roaming/sesame")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "knock.conf"), []byte("[home]\r\nhost = "+gateway+"\r\nsequence = 7000,8000\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wire.packets()
	if r := wine("/tmp/knock.exe", "-q", "home"); r.code != 0 {
		t.Errorf("a profile: status %d: %q", r.code, r.stderr)
	}
	want(t, wire.packets(), client, "7000", "8000")
}

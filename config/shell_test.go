package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestPrograms(t *testing.T) {
	for command, want := range map[string]string{
		"":                                      "",
		"# only a comment":                      "",
		"ufw allow from %IP%":                   "ufw",
		"a; b && c || d | e & f":                "a b c d e f",
		"a\nb":                                  "a b",
		"a;a;b":                                 "a b",
		`"/opt/my prog" x`:                      "/opt/my prog",
		`a\ b c`:                                "a b",
		"X=1 Y='a b' Z=$(c; d) prog":            "prog",
		"X=1":                                   "",
		"A=B=C p":                               "p",
		"1A=x":                                  "1A=x",
		"if [ -e /x ]; then p; else q; fi":      "p q",
		"while read x; do p $x; done < /f":      "p",
		"for i in a b; do p; done":              "p",
		"! p":                                   "p",
		"{ p; q; }":                             "p q",
		"(p; q) && r":                           "p q r",
		"case %IP% in 192.*) p;; *) q;; esac":   "",
		"p; case x in y) q;; esac":              "p",
		"exec p x":                              "p",
		"exec -a name p":                        "",
		"$CMD x; `which y` z; ~/p; ${X:-a;b}":   "",
		`echo "a; b" 'c; d' $(e; f) ` + "`g;h`": "",
		`echo "$(x "y; z")"; p`:                 "p",
		`echo "\"; q"; p`:                       "p",
		"p > /dev/null 2>&1 & q":                "p q",
		">/f p; 2>/g q; < in r":                 "p q r",
		"p >&2; q &>/f":                         "p q",
		"./p; bin/p; /p":                        "/p",
		"/etc/open-%IP%.sh":                     "",
		"f () { p; }; f; g() ( q; ); g; f":      "p q",
		"f() { p; }; f":                         "p",
		"echo it's; p":                          "",
		"'unfinished":                           "",
		`"x$y" z`:                               "",
		"p #; q":                                "p",
		"p a#b; q":                              "p q",
		"[ -e /x ] && p":                        "p",
		"'if' x":                                "",
	} {
		if got := strings.Join(programs(command), " "); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// The time for a command grows with its length and no faster.
func BenchmarkPrograms(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		command := "f() { p; }; " + strings.Repeat("a;f;X=1 if b;", n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(len(command)))
			for b.Loop() {
				programs(command)
			}
		})
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"prog": 0o755, "data": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", empty+":"+dir)
	for prog, want := range map[string]string{
		"prog":          "",
		dir + "/prog":   "",
		"cd":            "",
		"then":          "",
		"[":             "",
		"data":          "not an executable file",
		dir + "/data":   "not an executable file",
		"folder":        "not an executable file",
		"gone":          "not found in PATH",
		dir + "/gone":   "file does not exist",
		dir + "/prog/x": "not a directory",
		"cd bg":         "not found in PATH",
	} {
		got := ""
		if err := LookPath(prog); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", prog, got, want)
		}
	}
	os.Unsetenv("PATH")
	if err := LookPath("sh"); err != nil {
		t.Errorf("sh without PATH: %v", err)
	}
}

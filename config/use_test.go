package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sesame/matcher"
)

func TestUseOneTime(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string
		used   uint16
		after  string
		next   int // line in force then; -1: refused, and the file stays
		port   uint16
	}{
		{"blank before", " 1\n 2\n", 1, "#1\n 2\n", 2, 2},
		{"digit lost", "11\n22\n", 11, "#1\n22\n", 2, 22},
		{"last without newline", "#1\n 2", 2, "#1\n#2", 0, 0},
		{"CRLF", " 1\r\n 2\r\n", 1, "#1\r\n 2\r\n", 2, 2},
		{"byte order mark", "\ufeff1\n2\n", 1, "\ufeff#\n2\n", 2, 2},
		{"a line was put before it", " 5\n 1\n", 1, " 5\n#1\n", 1, 5},
		{"only the first of two", " 1\n 1\n", 1, "#1\n 1\n", 2, 1},
		{"gone", " 2\n", 1, "", -1, 0},
		{"marked already", "# 1\n 2\n", 1, "", -1, 0},
		{"empty", "", 1, "", -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sequences")
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			next, seq, _, err := UseOneTime(path, []matcher.Port{{Number: tt.used, Proto: matcher.TCP}})
			after, readErr := os.ReadFile(path)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if tt.next < 0 {
				if err == nil || !strings.Contains(err.Error(), path) || string(after) != tt.before {
					t.Errorf("error %v, file %q", err, after)
				}
				return
			}
			if err != nil || next != tt.next || string(after) != tt.after {
				t.Errorf("line %d, error %v, file %q; want line %d, file %q", next, err, after, tt.next, tt.after)
			}
			if tt.port != 0 && (len(seq) != 1 || seq[0] != matcher.Port{Number: tt.port, Proto: matcher.TCP}) {
				t.Errorf("sequence %v", seq)
			}
		})
	}
}

// TestUseOneTimeKeeps checks that a link stays a link, the mode stays, and no
// other file is left beside it.
func TestUseOneTimeKeeps(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "sequences"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte(" 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := UseOneTime(link, []matcher.Port{{Number: 1, Proto: matcher.TCP}}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the file and the link alone", entries, err)
	}
}

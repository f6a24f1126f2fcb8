package exec

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzRecord reads any line. What is taken for a record must be the same when
// it is written and read again. Half of the lines get the checksum that they
// need to come further.
func FuzzRecord(f *testing.F) {
	f.Add(lineOf(openRecord(7, carol, 1e9)), false)
	for _, text := range []string{
		"shut 1", "runs 1 4711", "ends 1 5 6", "ends 1 -0 +6", `open 1 - 1 1 1 1 ::ffff:192.0.2.7 "" "\xff" "\u2028"`,
		"open 1 boot 9223372036854 1 1 1 fe80::1 `ssh` 'a' \"b\"", `open 1  1 1 1 1 1.2.3.4 "a" "b" "c"`,
	} {
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, seal bool) {
		if strings.Contains(text, "\n") {
			return
		}
		if seal {
			text = sealed(text)
		}
		r, ok := parseRecord(text)
		if !ok {
			return
		}
		if r.id == 0 || r.op >= numOps {
			t.Fatalf("%q is taken for %+v", text, r)
		}
		b := appendRecord(nil, &r)
		if slices.Index(b, '\n') != len(b)-1 {
			t.Fatalf("%q is not one line", b)
		}
		if again, ok := parseRecord(string(b[:len(b)-1])); !ok || again != r {
			t.Fatalf("%q, written as %q, is read again as %+v, %v", text, b, again, ok)
		}
	})
}

// ramDir returns a directory in memory where there is one.
func ramDir(f *testing.F) string {
	f.Helper()
	const shared = "/dev/shm"
	if unix.Access(shared, unix.W_OK) != nil {
		return f.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "sesame")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// opens opens a journal with what is in the file at path.
func opens(t *testing.T, path string) (*journal, []saved) {
	t.Helper()
	j, told, err := openJournal(path, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	live := told.sorted()
	if told.live != len(live) || told.live != j.live {
		t.Fatalf("%d leases, counted %d and %d", len(live), told.live, j.live)
	}
	return j, live
}

// FuzzReplay makes any bytes a state file. If it is refused it stays as it is;
// if not, the same leases are in it the next time, and one more that was
// written behind them. Half of the files get the checksums that their lines
// need.
func FuzzReplay(f *testing.F) {
	open, other := lineOf(openRecord(1, alice, 1e9)), lineOf(openRecord(2, carol, 2e9))
	shut, runs := lineOf(record{op: opShut, id: 1}), lineOf(record{op: opRuns, id: 2, pid: 7})
	for _, s := range []string{
		"", "x", stateHeader, stateHeader[:30], strings.Repeat("\x00", 100), stateHeader + open + "\n" + other + "\n" + runs + "\n" + shut + "\n",
		stateHeader + open + "\n" + other, stateHeader + open + "\n" + other[:50], stateHeader + open + "\x00" + other + "\n",
		stateHeader + open + "\n" + strings.Repeat("\x00", 64), open + "\n", stateHeader + "\n\n" + open + "\n" + open + "\n",
	} {
		f.Add([]byte(s), false)
	}
	f.Add([]byte("open 1 boot 1 1 1 1 1.2.3.4 \"a\" \"b\" \"c\"\nruns 1 7\nends 1 5 6\nshut 1\nopen 1 - 1 1 1 1 ::1 \"\" \"\" \"\""), true)
	path := filepath.Join(ramDir(f), "state")
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal {
			lines := strings.Split(string(data), "\n")
			for i, l := range lines {
				lines[i] = sealed(l)
			}
			data = []byte(strings.Join(lines, "\n"))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, told, err := openJournal(path, func(string) {})
		if err != nil {
			if got, err := os.ReadFile(path); err != nil || string(got) != string(data) {
				t.Fatalf("refused, and is %q now, %v", got, err)
			}
			return
		}
		live := told.sorted()
		j.close()
		j, again := opens(t, path)
		if !slices.Equal(live, again) {
			t.Fatalf("%+v\nthe next time: %+v", live, again)
		}
		next := openRecord(1+max(told.last, 1<<40), bob, 3e9)
		if err := j.append(&next); err != nil {
			t.Fatal(err)
		}
		j.close()
		j, again = opens(t, path)
		j.close()
		if n := len(live); len(again) != n+1 || !slices.Equal(live, again[:n]) || again[n].terms != next.terms {
			t.Fatalf("%+v\nwith one more: %+v", live, again)
		}
	})
}

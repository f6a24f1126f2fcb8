package exec

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withTool puts a program in front of all others.
func withTool(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// names looks a name up and collects what comes.
func (r *rig) names() (found *[]string, lookup func()) {
	found = new([]string)
	return found, func() {
		r.l.Lookup(r.at(), alice, func(host string) { *found = append(*found, host) })
	}
}

func TestLookup(t *testing.T) {
	withTool(t, "getent", `[ "$1 $2" = "hosts 192.0.2.7" ] && echo "192.0.2.7      laptop.example alias.example"`)
	r := newRig(t, DefaultOpen)
	before := openFiles(t)
	found, lookup := r.names()
	lookup()
	if len(*found) > 0 {
		t.Fatal("Lookup waited for the name")
	}
	r.turns("the name", func() bool { return len(*found) > 0 })
	if !slices.Equal(*found, []string{"laptop.example"}) {
		t.Errorf("found %q", *found)
	}
	if n := openFiles(t); n != before {
		t.Errorf("%d descriptors are open, %d were before", n, before)
	}
}

// TestLookupWithoutGetent is a router, which has busybox's nslookup.
func TestLookupWithoutGetent(t *testing.T) {
	withTool(t, "getent", "exit 127")
	withTool(t, "nslookup", `printf 'Server:\t\t192.0.2.1\nAddress:\t192.0.2.1:53\n\n7.2.0.192.in-addr.arpa\tname = laptop.example\n\n'`)
	r := newRig(t, DefaultOpen)
	found, lookup := r.names()
	lookup()
	r.turns("the name", func() bool { return len(*found) > 0 })
	if (*found)[0] != "laptop.example" {
		t.Errorf("found %q", *found)
	}
}

// TestLookupTakesTooLong gives up a name server that does not answer, and
// leaves no process of the lookup behind.
func TestLookupTakesTooLong(t *testing.T) {
	pid := flag(t)
	withTool(t, "getent", "echo $$ > "+pid+".new; mv "+pid+".new "+pid+"; exec sleep 1000")
	r := newRig(t, DefaultOpen)
	found, lookup := r.names()
	lookup()
	if next := r.l.Next(); next != r.now.Add(lookupTime) {
		t.Errorf("Expire is to be called at %d, want %d", next, r.now.Add(lookupTime))
	}
	var text []byte
	r.turns("the lookup", func() (ok bool) { text, _ = os.ReadFile(pid); return len(text) > 0 })
	r.pass(lookupTime - 1)
	if len(*found) > 0 {
		t.Fatal("gave up early")
	}
	r.pass(1)
	if !slices.Equal(*found, []string{""}) {
		t.Fatalf("found %q", *found)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.turns("the end of the lookup", func() bool {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(n) + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}

// TestManyLookups bounds them: the others go without a name at once.
func TestManyLookups(t *testing.T) {
	gate := fifo(t)
	withTool(t, "getent", "read x < "+gate)
	r := newRig(t, DefaultOpen)
	found, lookup := r.names()
	for range maxLookups {
		lookup()
	}
	if len(*found) > 0 {
		t.Fatalf("%d of %d lookups had no place", len(*found), maxLookups)
	}
	lookup()
	if len(*found) != 1 {
		t.Fatal("one lookup too many was begun")
	}
	r.l.endLookups()
	if len(*found) != maxLookups+1 {
		t.Errorf("%d of %d were told at the end", len(*found), maxLookups+1)
	}
}

// TestLookupAnswersNothing checks that a lookup that ends is told of, and that
// its process is taken.
func TestLookupAnswersNothing(t *testing.T) {
	withTool(t, "getent", "exit 2")
	withTool(t, "nslookup", "exit 1")
	r := newRig(t, DefaultOpen)
	found, lookup := r.names()
	lookup()
	q := r.l.lookups[0]
	r.turns("the end", func() bool { return len(*found) > 0 })
	r.turns("the process", func() bool { return unix.Kill(q.pid, 0) == unix.ESRCH })
	if (*found)[0] != "" {
		t.Errorf("found %q", *found)
	}
}

func TestHostIn(t *testing.T) {
	for _, tt := range []struct{ answer, host string }{
		{"", ""},
		{"192.0.2.7       laptop.example\n", "laptop.example"},
		{"2001:db8::7     laptop.example other\n", "laptop.example"},
		{"7.2.0.192.in-addr.arpa\tname = a_b-C9.example.\n", "a_b-C9.example"},
		{"Server:\t\t192.0.2.1\nAddress:\t192.0.2.1:53\n\nNon-authoritative answer:\n7.2.0.192.in-addr.arpa\tname = laptop.example\n", "laptop.example"},
		{"** server can't find 7.2.0.192.in-addr.arpa: NXDOMAIN\n", ""},
		{"192.0.2.7 forged\x1b[2J\n", ""},
		{"192.0.2.7 a):ssh:(b\n", ""},
		{"192.0.2.7 " + strings.Repeat("a", maxName+1) + "\n", ""},
		{"192.0.2.7\n", ""},
		{"name = x\n", ""},
	} {
		if got := hostIn(tt.answer); got != tt.host {
			t.Errorf("%q: %q, want %q", tt.answer, got, tt.host)
		}
	}
}

package vm

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestConsole(t *testing.T) {
	var c Console
	for line := range strings.Lines(`[    0.1] Linux
vm: run vlan
sesame: listening
vm: fault deaf: no line
vm: end vlan
between
vm: run gre
vm: end gre
vm: run sit
vm: end vlan
oops
`) {
		c.Line(strings.TrimSuffix(line, "\n"))
	}
	want := Console{
		Results: map[string]*Result{
			"vlan": {Ran: true, Faults: []string{"deaf: no line"}, Log: []string{"sesame: listening"}},
			"gre":  {Ran: true},
			"sit":  {Log: []string{"vm: end vlan", "oops"}},
		},
		Other: []string{"[    0.1] Linux", "between"},
	}
	want.current = want.Results["sit"]
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if c.Line("vm: done"); !c.Done {
		t.Error("it is not done")
	}
}

func TestDependencies(t *testing.T) {
	got := dependencies("ppp\n |Depends: libelf1\n  Depends: libelf1t64\n    libelf1:armhf\n  PreDepends: libc6:mips\n  Depends: procps\n  Depends: zlib1g\n  Depends: <libvirtual>\n  Breaks: libold\n")
	if want := []string{"libelf1", "libelf1t64", "zlib1g"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseURIs(t *testing.T) {
	got, err := parseURIs("'http://192.0.2.1/a_1%2b2_all.deb' a_1+2_all.deb 12 SHA256:ab\n'http://192.0.2.1/b.deb' b.deb 3 MD5Sum:cd\nN: a note\n")
	if want := []deb{{"a_1+2_all.deb", 12, "ab"}, {"b.deb", 3, ""}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"'x' a.deb many SHA256:ab", "'x' ../a.deb 12 SHA256:ab"} {
		if got, err := parseURIs(bad); err == nil {
			t.Errorf("%s: got %v, want an error", bad, got)
		}
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good.deb": "abc", "short.deb": "ab", "wrong.deb": "xyz", "old.deb": "abc", "other": "abc"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of abc: FIPS 180-2, B.1
	if err := prune(dir, []deb{{"good.deb", 3, sum}, {"short.deb", 3, sum}, {"wrong.deb", 3, sum}}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{filepath.Join(dir, "good.deb"), filepath.Join(dir, "other")}; err != nil || !reflect.DeepEqual(left, want) {
		t.Errorf("left are %q, %v, want %q", left, err, want)
	}
}

func TestInitramfs(t *testing.T) {
	r := NewInitramfs(t.TempDir())
	r.File("/a/b/file", []byte("text!"))
	r.File("a/b/file", []byte("again"))
	zipped, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for at := 0; at < len(all); {
		// Eight digits each after the magic: the mode is the 2nd number, the size
		// of the content the 7th, of the name the 12th.
		number := func(i int) int {
			n, err := strconv.ParseUint(string(all[at+6+8*i:at+14+8*i]), 16, 32)
			if err != nil || string(all[at:at+6]) != "070701" {
				t.Fatalf("no header at %d: %q, %v", at, all[at:at+110], err)
			}
			return int(n)
		}
		name := string(all[at+110 : at+110+number(11)-1])
		body := (at + 110 + number(11) + 3) &^ 3
		end := body + number(6)
		got = append(got, strconv.FormatInt(int64(number(1)), 8)+" "+name+" "+string(all[body:end]))
		at = (end + 3) &^ 3
	}
	want := []string{"40755 dev ", "20600 dev/console ", "40755 a ", "40755 a/b ", "100755 a/b/file text!", "0 TRAILER!!! "}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

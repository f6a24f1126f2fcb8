package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	list, err := parseProfiles("\ufeff# mine\r\n\r\n [home] \r\n\tHOST = gw.example\r\nsequence= 7000, 8000 : UDP ,9000\r\n[ two words ]\nhost=2001:db8::1\nsequence=1\nfamily=BOTH\ntimeout = 5", "f")
	if err != nil || len(list) != 2 || list[0].name != "home" || list[1].name != "two words" {
		t.Fatal(list, err)
	}
	if got := say(list[0].settings); got != "gw.example 7000,8000:udp,9000 d=0s w=0/0s s=invalid IP i= f=0" {
		t.Error(got)
	}
	if got := say(list[1].settings); got != "2001:db8::1 1 d=0s w=0/5s s=invalid IP i= f=3" {
		t.Error(got)
	}
	if place := list[0].places[keySequence]; place != "f:5: sequence" {
		t.Error(place)
	}
	if list, err := parseProfiles("# nothing\n", "f"); len(list) != 0 || err != nil {
		t.Error(list, err)
	}
}

func TestBadProfiles(t *testing.T) {
	const good = "host=h\nsequence=1\n"
	for _, test := range []struct{ text, says string }{
		{"host = h\n", `f:1: "host = h" stands before the first profile; write [name] above it`},
		{"[a\n" + good, `f:1: "[a" is not a header; write [name] and nothing after it`},
		{"[a] x\n" + good, `f:1: "[a] x" is not a header; write [name] and nothing after it`},
		{"[]\n" + good, "f:1: the profile has no name; write [name]"},
		{"[-a]\n" + good, `f:1: "-a" would be taken for an option; choose a name without - at its beginning`},
		{"[a]\n" + good + "[a]\n", `f:4: there is a profile "a" above; choose another name`},
		{"[a]\n", `f:1: host: profile "a" has none; add host = a name or an address`},
		{"[a]\nhost=h\n[b]\n", `f:1: sequence: profile "a" has none; add sequence = ports such as 7000,8000:udp`},
		{"[a]\nhots=h\n", `f:2: "hots": unknown key; the keys are host, sequence, delay, wait, timeout, source, interface, family`},
		{"[a]\nhost\n", "f:2: host: has no value; write host = a name or an address"},
		{"[a]\nhost=\n", "f:2: host: has no value; give a name or an address"},
		{"[a]\nhost=h\nhost=i\n", "f:3: host: is set twice in this profile; leave out one"},
		{"[a]\nhost=a b\n", `f:2: host: "a b" is neither an address nor a name: ' ' cannot stand in one`},
		{"[a]\nhost=a\x00b\n", `f:2: "host=a\x00b" holds a control character or is not UTF-8; write the line again`},
		{"[a]\nhost=fe80::1%\x7f\n", `f:2: "host=fe80::1%\x7f" holds a control character or is not UTF-8; write the line again`},
		{"[a]\nsequence=1,\n", `f:2: sequence: "" is not a port; give a number from 1 to 65535`},
		{"[a]\nsequence=1:\n", `f:2: sequence: "" is not a protocol of port 1; give tcp or udp`},
		{"[a]\ndelay=-1\n", `f:2: delay: "-1" is out of range or no number; give whole milliseconds from 0 to 2147483647`},
		{"[a]\nwait=ssh\n", `f:2: wait: "ssh" is not a port; give a number from 1 to 65535`},
		{"[a]\ntimeout=0\n", `f:2: timeout: "0" is out of range or no number; give whole seconds from 1 to 86400`},
		{"[a]\nsource=eth0\n", `f:2: source: "eth0" is not an address; give an IPv4 or IPv6 address of this machine`},
		{"[a]\nfamily=5\n", `f:2: family: "5" is not a family; give 4, 6 or both`},
		{"[a]\n" + good + "source=192.0.2.1\nfamily=both\n", "f:4: source: one address cannot send both IPv4 and IPv6; leave out this or f:5: family"},
		{"[a]\nhost=" + strings.Repeat("a", 255) + "\n", "f:2: host: the name has more than 253 characters"},
	} {
		if _, err := parseProfiles(test.text, "f"); err == nil || err.Error() != test.says {
			t.Errorf("%q: %v; want %s", test.text, err, test.says)
		}
	}
}

func TestProfilePath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", filepath.Join(dir, "home"))
	for config, want := range map[string]string{
		"":         filepath.Join(dir, "home", ".config", "sesame", "knock.conf"),
		"relative": filepath.Join(dir, "home", ".config", "sesame", "knock.conf"),
		dir:        filepath.Join(dir, "sesame", "knock.conf"),
	} {
		t.Setenv("XDG_CONFIG_HOME", config)
		if got, err := profilePath(); got != want || err != nil {
			t.Errorf("XDG_CONFIG_HOME=%s: %s, %v; want %s", config, got, err, want)
		}
	}
}

// TestOddProfileFiles points the program at what is no profile file.
func TestOddProfileFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	path := filepath.Join(dir, "sesame", "knock.conf")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadProfiles(); err == nil || err.Error() != "read the profiles: "+path+" is not a file" {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxProfileFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := findProfile("home"); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Error(err)
	}
}

var faultLine = regexp.MustCompile(`^f:[1-9][0-9]*: [^\n]+$`)

// FuzzProfile looks for panics, for errors without a place, and for profiles
// that pass but could not be knocked with or listed.
func FuzzProfile(f *testing.F) {
	for _, seed := range []string{
		home, "# x\r\n[a]\r\nhost = h\r\nsequence = 1 , 2:udp\r\n", "[a]\nhost=::1\nsequence=1\n[b]\nhost=fe80::1%lan\nsequence=65535:tcp",
		"[a\n", "[]", "=", "[a]\nhost==\n", "[a]\nsequence=1,,2", "\ufeff[a]\x00", "[a]\nfamily=both\nsource=::",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseProfiles(text, "f")
		if err != nil {
			if list != nil || !faultLine.MatchString(err.Error()) {
				t.Errorf("%q: %v, error %q", text, list, err)
			}
			return
		}
		for i, line := range strings.Split(strings.TrimSuffix(table(list), "\n"), "\n") {
			if len(list) > 0 && !strings.HasPrefix(line, list[i].name) {
				t.Errorf("%q: line %d of the list is %q", text, i, line)
			}
		}
		for _, p := range list {
			s, err := p.complete()
			if err != nil || s.host == "" || len(s.sequence) == 0 || s.timeout <= 0 {
				t.Errorf("%q passed as %s, %v", text, say(s), err)
			}
			// What is listed can be written into a file again.
			again, err := parseSequence(sequenceText(s.sequence))
			if err != nil || sequenceText(again) != sequenceText(s.sequence) {
				t.Errorf("%q: the sequence %q reads back as %v, %v", text, sequenceText(s.sequence), again, err)
			}
			if _, err := sshConfig(p, "/bin/knock", false); err == nil && strings.ContainsAny(p.name, "\"' ") {
				t.Errorf("profile %q was written into ssh's configuration", p.name)
			}
		}
	})
}

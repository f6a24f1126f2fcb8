package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func words(line string) []string { return strings.Fields(line) }

// say writes what an assembled command line asks for.
func say(s settings) string {
	return fmt.Sprintf("%s %s d=%s w=%d/%s s=%v i=%s f=%d", s.host, sequenceText(s.sequence), s.delay, s.wait, s.timeout, s.source, s.iface, s.family)
}

const home = "[home]\nhost=gw.example\nsequence=7000,8000:udp\ndelay=300\nwait=22\nsource=192.0.2.7\ninterface=lan\nfamily=4\n"

// find is findProfile for a file that holds home.
func find(name string) (profile, error) {
	list, err := parseProfiles(home, "f")
	if err == nil && list[0].name != name {
		err = fmt.Errorf("no profile %q", name)
	}
	return list[0], err
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"h 1", "h 1 d=15ms w=0/30s s=invalid IP i= f=0"},
		{"-d 0 h 1 2:udp 3:TCP 4:Udp", "h 1,2:udp,3,4:udp d=0s w=0/30s s=invalid IP i= f=0"},
		{"-d10 h 1", "h 1 d=10ms w=0/30s s=invalid IP i= f=0"},
		{"h 1 -ud 2147483647 2:tcp", "h 1:udp,2:udp d=596h31m23.647s w=0/30s s=invalid IP i= f=0"},
		{"--delay=7 --ipv4 h 1", "h 1 d=7ms w=0/30s s=invalid IP i= f=1"},
		{"-4 -6 h 1", "h 1 d=15ms w=0/30s s=invalid IP i= f=2"},
		{"-6 --both h 1", "h 1 d=15ms w=0/30s s=invalid IP i= f=3"},
		{"--wait 22 --timeout=5 h 1", "h 1 d=15ms w=22/5s s=invalid IP i= f=0"},
		{"--inter lan --so 2001:db8::7 h 1", "h 1 d=15ms w=0/30s s=2001:db8::7 i=lan f=2"},
		{"--source ::ffff:192.0.2.7 h 1", "h 1 d=15ms w=0/30s s=192.0.2.7 i= f=1"},
		{"-- h 1 2", "h 1,2 d=15ms w=0/30s s=invalid IP i= f=0"},
		{"home 1", "home 1 d=15ms w=0/30s s=invalid IP i= f=0"},
		{"home", "gw.example 7000,8000:udp d=300ms w=22/30s s=192.0.2.7 i=lan f=1"},
		{"-u -d 1 --timeout 9 --wait 23 --interface wan home", "gw.example 7000:udp,8000:udp d=1ms w=23/9s s=192.0.2.7 i=wan f=1"},
		{"-6 home", "gw.example 7000,8000:udp d=300ms w=22/30s s=invalid IP i=lan f=2"},
		{"--source 2001:db8::7 home", "gw.example 7000,8000:udp d=300ms w=22/30s s=2001:db8::7 i=lan f=2"},
	} {
		r, err := parseArgs(words(test.args))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		s, err := assemble(r, find)
		if got := say(s); err != nil || got != test.want {
			t.Errorf("%s:\n%s, %v; want\n%s", test.args, got, err, test.want)
		}
	}
}

func TestBadCommandLine(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"h 0", exitFailed, `"0" is not a port; give a number from 1 to 65535`},
		{"h +1", exitFailed, `"+1" is not a port; give a number from 1 to 65535`},
		{"h 1:sctp", exitFailed, `"sctp" is not a protocol of port 1; give tcp or udp`},
		{"h 1,2", exitFailed, `"1,2" is not a port; give a number from 1 to 65535`},
		{"a:b 1", exitFailed, `host: "a:b" is neither an address nor a name: ':' cannot stand in one`},
		{"-d 2147483648 h 1", exitFailed, `-d: "2147483648" is out of range or no number; give whole milliseconds from 0 to 2147483647`},
		{"-d 1.5 h 1", exitFailed, `-d: "1.5" is out of range or no number; give whole milliseconds from 0 to 2147483647`},
		{"--timeout 86401 --wait 1 h 1", exitFailed, `--timeout: "86401" is out of range or no number; give whole seconds from 1 to 86400`},
		{"--timeout 5 h 1", exitFailed, "--timeout: only counts with --wait PORT; add that or leave this out"},
		{"--source= h 1", exitFailed, "--source: has no value; give an IPv4 or IPv6 address of this machine"},
		{"--source 192.0.2.7 --both h 1", exitFailed, "--source: one address cannot send both IPv4 and IPv6; leave out this or --both"},
		{"--source 192.0.2.7 -6 h 1", exitFailed, "--source: 192.0.2.7 is of the other family than -6 asks for"},
		{"work", exitFailed, `no profile "work"`},
		{"", exitUsage, "no host: give a host and its ports, or a profile; see knock --help"},
		{"-x h 1", exitUsage, `unknown option "-x"; see knock --help`},
		{"-uvx h 1", exitUsage, `unknown option "-x"; see knock --help`},
		{"--x h 1", exitUsage, `unknown option "--x"; see knock --help`},
		{"--=1 h 1", exitUsage, `unknown option "--"; see knock --help`},
		{"--ver h 1", exitUsage, "option --ver may be --verbose or --version; see knock --help"},
		{"--udp=1 h 1", exitUsage, "option --udp takes no value; see knock --help"},
		{"h 1 --wait", exitUsage, "option --wait wants a value: PORT; see knock --help"},
		{"h 1 -vd", exitUsage, "option -d wants a value: MS; see knock --help"},
		{"--list -4", exitUsage, "--list and --ssh-config stand alone: they show profiles as they are in the file; see knock --help"},
		{"--ssh-config home home", exitUsage, "--list and --ssh-config stand alone: they show profiles as they are in the file; see knock --help"},
		{"--ssh-config home --list", exitUsage, "--list and --ssh-config do not go together; see knock --help"},
		{"--ssh-config=", exitUsage, "option --ssh-config wants a profile; see knock --help"},
	} {
		r, err := parseArgs(words(test.args))
		if err == nil {
			_, err = assemble(r, find)
		}
		var out strings.Builder
		if code := finish(err, &out); code != test.code || out.String() != "knock: "+test.says+"\n" {
			t.Errorf("%s: status %d, %q; want %d, %q", test.args, code, out.String(), test.code, test.says)
		}
	}
}

// FuzzArgs looks for panics, for errors that take more than a line, and for
// command lines that pass with something missing. The arguments are divided by
// newlines, which no test above has in one.
func FuzzArgs(f *testing.F) {
	for _, seed := range []string{
		"h 1", "-d 10 -v h 1 2:udp", "--both h 1", "--wait=22 --timeout 5 h 1:tcp", "-u4 -6 :: 65535", "home", "--list", "--ssh-config home",
		"--source 192.0.2.7 h 1", "-- -h -V", "-qvd1 h 1", "--ver", "--interface lan fe80::1%lan 1", "-", "h -1", "h 1: :udp", "-\x00 h 1",
	} {
		f.Add(strings.ReplaceAll(seed, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseArgs(strings.Split(line, "\n"))
		if err == nil && !r.help && !r.version && !r.list && r.ssh == "" {
			var s settings
			s, err = assemble(r, find)
			if err == nil && (s.host == "" || len(s.sequence) == 0 || s.delay < 0 || s.timeout < time.Second) {
				t.Errorf("%q passed as %s", line, say(s))
			}
			for _, h := range s.sequence {
				if h.port == 0 || err == nil && r.udp && !h.udp {
					t.Errorf("%q passed with %+v", line, h)
				}
			}
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
			t.Errorf("%q: the error is more than a line of text: %q", line, err)
		}
	})
}

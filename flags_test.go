package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseFlags(t *testing.T) {
	all := options{
		iface: "wan", config: "/c", pidfile: "/p", logfile: "/g",
		daemon: true, debug: true, lookup: true, verbose: true, only4: true, version: true, help: true,
	}
	for _, tt := range []struct {
		args string
		want options
		err  string
	}{
		{"", options{}, ""},
		{"-i wan -c /c -p /p -g /g -d -D -l -v -4 -V -h", all, ""},
		{"--interface wan --config /c --pidfile /p --logfile /g --daemon --debug --lookup --verbose --only-ip-v4 --version --help", all, ""},
		{"--interface=wan --config=/c --pidfile=/p --logfile=/g -dDlv4Vh", all, ""},
		{"-iwan -c/c -vDdi wan -p/p -g/g -l4Vh", all, ""},
		{"-s -v", options{verbose: true}, ""},
		{"-i", options{}, "option -i needs a value"},
		{"--config", options{}, "option --config needs a value"},
		{"--config=", options{}, "option --config needs a value"},
		{"--daemon=yes", options{}, "option --daemon takes no value"},
		{"-x", options{}, "unknown option -x"},
		{"-vx", options{}, "unknown option -x"},
		{"--conf /c", options{}, "unknown option --conf"},
		{"--=x", options{}, "unknown option --"},
		{"--json --prometheus", options{json: true, prometheus: true}, ""},
		{"ssh -v 192.0.2.7 -", options{verbose: true, words: []string{"ssh", "192.0.2.7", "-"}}, ""},
	} {
		got, err := parseFlags(strings.Fields(tt.args))
		switch {
		case tt.err != "":
			if err == nil || err.Error() != tt.err {
				t.Errorf("%q: error %v, want %s", tt.args, err, tt.err)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.args, err)
		case !reflect.DeepEqual(got, tt.want):
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
}

// TestUsage checks that the help names every option.
func TestUsage(t *testing.T) {
	for _, f := range new(options).flags() {
		if f.short == 0 {
			if !strings.Contains(usageText, "--"+f.long) {
				t.Errorf("the help does not name --%s", f.long)
			}
			continue
		}
		if f.long != "" && !strings.Contains(usageText, "  -"+string(f.short)+", --"+f.long) {
			t.Errorf("the help does not name -%c, --%s", f.short, f.long)
		}
	}
}

// TestMisused checks that a wrong command line is an error before anything is
// done.
func TestMisused(t *testing.T) {
	for _, args := range []string{
		"frob", "wan0 -i", "-v wan", "--", "-", "check x", "status x", "open", "open ssh", "open ssh 192.0.2.7 x",
		"close a 192.0.2.7 b", "--json", "check --prometheus", "status --json --prometheus", "status --frob", "demo x",
	} {
		if status := run("sesame", strings.Fields(args)); status != 1 {
			t.Errorf("%q: exit status %d, want 1", args, status)
		}
	}
}

// TestAsKnockd checks that words are no subcommands to a program of that name.
func TestAsKnockd(t *testing.T) {
	for args, want := range map[string]int{"check -h": 0, "-V frob": 0, "-h": 0, "-x": 1, "--frob": 1, "--json": 1} {
		if status := run("/usr/sbin/knockd", strings.Fields(args)); status != want {
			t.Errorf("knockd %s: exit status %d, want %d", args, status, want)
		}
	}
	if status := run("./knockd-sesame", []string{"frob", "-h"}); status != 1 {
		t.Errorf("knockd-sesame takes a word that it does not know: %d", status)
	}
}

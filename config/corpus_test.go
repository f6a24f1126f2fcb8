package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const corpusDir = "../../shared/corpus"

// corpusErrors is what each refused file of the corpus is answered with.
var corpusErrors = map[string]string{
	"50-port-word.conf":               `2: sequence: "eight" is not a port; give a number from 1 to 65535`,
	"51-port-empty.conf":              `2: sequence: a port is missing beside a comma; give a number from 1 to 65535, or remove the comma`,
	"52-port-negative.conf":           `2: sequence: "-1" is not a port; give a number from 1 to 65535`,
	"53-port-large.conf":              `2: sequence: "70000" is not a port; give a number from 1 to 65535`,
	"54-port-zero.conf":               `2: sequence: "0" is not a port; give a number from 1 to 65535`,
	"55-protocol.conf":                `2: sequence: "icmp" is not a protocol of port 7000; allowed are tcp and udp`,
	"56-timeout-word.conf":            `3: seq_timeout: "soon" is not a time; give whole seconds from 0 to 2147483647`,
	"57-timeout-negative.conf":        `3: cmd_timeout: "-5" is not a time; give whole seconds from 0 to 2147483647`,
	"58-unknown-key.conf":             `3: start_comand: unknown key; did you mean "start_command"?`,
	"59-unknown-flag.conf":            `3: tcpflags: "xyz" is not a TCP flag; allowed are fin, syn, rst, psh, ack and urg, each also with ! before it, separated by commas`,
	"60-no-section.conf":              `1: sequence: it stands before the first section; put it under [options] or under a door's [name]`,
	"61-no-sequence.conf":             `1: sequence: door "a" has none; add a sequence or one_time_sequences`,
	"62-no-equals.conf":               `3: start_command: there is no "=" after the key`,
	"63-33-ports.conf":                `2: sequence: 33 ports in a sequence; at most 32 are allowed`,
	"64-section-open.conf":            `2: "[a" does not end with "]"`,
	"65-target-word.conf":             `3: target: "router.lan" is not an address to knock at; give an IPv4 or IPv6 address in digits`,
	"66-one-time-missing.conf":        `2: one_time_sequences: cannot read the file of sequences: open /nonexistent/seq: no such file or directory`,
	"67-huge-timeout.conf":            `3: seq_timeout: "99999999999999999999" is not a time; give whole seconds from 0 to 2147483647`,
	"68-interface-missing-value.conf": `2: interface: there is no value after "="; give one, or remove the line`,
	"69-nul-byte.conf":                `2: sequence: the line holds a NUL byte: "sequence = 70\x0000"; write it again as plain text`,
}

type verdict struct {
	file, outcome string
	doors         int
}

func corpus(t *testing.T) (list []verdict) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpusDir, "expected.tsv"))
	if os.IsNotExist(err) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the corpus is absent: %v", err)
		}
		t.Skipf("the corpus is absent: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatalf("expected.tsv line %d: %v", i+1, err)
		}
		list = append(list, verdict{f[0], f[1], n})
	}
	return list
}

func TestCorpus(t *testing.T) {
	list := corpus(t)
	files, err := filepath.Glob(filepath.Join(corpusDir, "*.conf"))
	if err != nil || len(files) != len(list) {
		t.Fatalf("%d files in the corpus, %d verdicts, %v", len(files), len(list), err)
	}
	for _, v := range list {
		t.Run(v.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join(corpusDir, v.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c, err := Parse(f, v.file, os.ReadFile)
			if v.outcome == "ok" {
				if err != nil {
					t.Fatal(err)
				}
				if len(c.Doors) != v.doors || len(c.Warnings) != 0 {
					t.Fatalf("%d doors, warnings %v, want %d doors and none", len(c.Doors), c.Warnings, v.doors)
				}
				return
			}
			errs, ok := err.(Errors)
			if c != nil || !ok || len(errs) != 1 {
				t.Fatalf("got %v, error %v, want one error", c, err)
			}
			if got := "line " + strconv.Itoa(errs[0].Line); got != v.outcome {
				t.Errorf("error on %s, want %s", got, v.outcome)
			}
			want, ok := corpusErrors[v.file]
			if !ok {
				t.Fatalf("no text is expected of this file; it is %q", err)
			}
			if want = v.file + ":" + want; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
		})
	}
}

// The traits of the corpus' accepted files that a door count does not show.
func TestCorpusValues(t *testing.T) {
	corpus(t)
	read := func(file string) *Config {
		f, err := os.Open(filepath.Join(corpusDir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c, err := Parse(f, file, os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, tt := range []struct{ what, got, want string }{
		{"CRLF", read("03-crlf.conf").Doors[0].Start, "/sbin/iptables -I INPUT -p tcp --dport 8001 -j ACCEPT"},
		{"CRLF log file", read("03-crlf.conf").LogFile, "/var/log/knockd.log"},
		{"name", read("04-tabs-and-blanks.conf").Doors[0].Name, "deploy key"},
		{"blanks in a sequence", sequenceText(read("04-tabs-and-blanks.conf").Doors[0].Sequence), "3001/tcp 4002/tcp 5003/udp"},
		{"mixed case flags", flagsText(read("04-tabs-and-blanks.conf").Doors[0].Flags), "syn !ack"},
		{"mixed case time", seconds(read("04-tabs-and-blanks.conf").Doors[0].SeqTimeout), "12 s"},
		{"no final newline", read("05-no-final-newline.conf").Doors[0].Start, "/bin/true"},
		{"merged options", read("07-two-options.conf").LogFile + read("07-two-options.conf").Interface, "/tmp/a.logwan"},
		{"repeat", sequenceText(read("10-repeat-port.conf").Doors[0].Sequence), "15637/udp 15637/udp"},
		{"# in a command", read("12-comment-in-command.conf").Doors[0].Start, "/usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT # always the first rule"},
		{"commented settings", read("13-comments-between.conf").Doors[0].Start + flagsText(read("13-comments-between.conf").Doors[0].Flags), "/bin/trueany TCP packet counts"},
		{"quotes", read("15-ip-in-quotes.conf").Doors[0].Stop, "/opt/manager.py stop '%IP%/32'"},
		{"empty _6", read("18-v6-commands.conf").Doors[0].Stop6, ""},
		{"five flags", flagsText(read("19-flags-list.conf").Doors[0].Flags), "fin !rst psh !ack urg"},
		{"blank in flags", flagsText(read("21-flags-blank.conf").Doors[0].Flags), "syn ack"},
		{"target", read("23-target.conf").Doors[0].Target.String(), "192.168.1.50"},
		{"cooldown", seconds(read("27-cooldown.conf").Doors[0].Cooldown), "60 s"},
		{"last of many", read("30-many-doors.conf").Doors[399].Name, "door 399"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if n := len(read("24-long-command.conf").Doors[0].Start); n < 3800 {
		t.Errorf("a command of 3,800 characters was cut to %d", n)
	}
	if !read("22-syslog-yes.conf").UseSyslog || !read("01-article-iptables.conf").UseSyslog {
		t.Error("UseSyslog is not set")
	}
}

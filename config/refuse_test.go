package config

import (
	"strings"
	"testing"
)

const (
	notPort = " is not a port; give a number from 1 to 65535"
	notTime = " is not a time; give whole seconds from 0 to 2147483647"
	notFlag = " is not a TCP flag; allowed are fin, syn, rst, psh, ack and urg, each also with ! before it, separated by commas"
	notAddr = " is not an address to knock at; give an IPv4 or IPv6 address in digits"
	noPort  = "a port is missing beside a comma; give a number from 1 to 65535, or remove the comma"
)

// Settings of [options] that are wrong by themselves, on line 2.
func TestRefusedOptions(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"decoys = 1025", `decoys: "1025" is not a number from 0 to 1024`},
		{"lockout = soon", `lockout: "soon" is not a time; give whole seconds from 0 to 2147483647`},
		{"scan_guard = perhaps", `scan_guard: "perhaps" is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0`},
		{"max_open = 0", `max_open: "0" is not a number from 1 to 1000000`},
		{"max_open = 1000001", `max_open: "1000001" is not a number from 1 to 1000000`},
		{"max_open = many", `max_open: "many" is not a number from 1 to 1000000`},
		{"max_commands = 0", `max_commands: "0" is not a number from 1 to 1024`},
		{"max_commands = -1", `max_commands: "-1" is not a number from 1 to 1024`},
		{"stop_retries = 1001", `stop_retries: "1001" is not a number from 0 to 1000`},
		{"command_timeout = 1m", `command_timeout: "1m"` + notTime},
		{"after_reboot = close", `after_reboot: "close" is neither run nor forget`},
		{"close_on_exit = maybe", `close_on_exit: "maybe" is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0`},
		{"StateFile =", `statefile: there is no value after "="; give one, or remove the line`},
		{"max_opn = 4", `max_opn: unknown key; did you mean "max_open"?`},
	} {
		_, err := parseText("[options]\n" + tt.line + "\n[a]\nsequence = 1\n")
		if want := "f:2: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", tt.line, err, want)
		}
	}
}

// Settings that are wrong by themselves, on line 3 of a door with a sequence,
// or on line 2 of one without where the setting is the sequence.
func TestRefusedSettings(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"sequence =", "sequence: the sequence is empty; give ports from 1 to 65535 separated by commas"},
		{"sequence = # 1", "sequence: the sequence is empty; give ports from 1 to 65535 separated by commas"},
		{"sequence = 1,2,", "sequence: " + noPort},
		{"sequence = 65536", `sequence: "65536"` + notPort},
		{"sequence = +5", `sequence: "+5"` + notPort},
		{"sequence = 7000 8000", `sequence: "7000 8000"` + notPort + " and separate ports by commas"},
		{"sequence = 1,2#3", `sequence: "2#3"` + notPort},
		{"sequence = :udp", `sequence: ""` + notPort},
		{"sequence = 7:", `sequence: "" is not a protocol of port 7; allowed are tcp and udp`},
		{"sequence = 7:udp:x", `sequence: "udp:x" is not a protocol of port 7; allowed are tcp and udp`},
		{"sequence = " + strings.Repeat("é", 60), `sequence: "` + strings.Repeat("é", 24) + `"...` + notPort},
		{"sequence = x" + strings.Repeat("é", 60), `sequence: "x` + strings.Repeat("é", 23) + `"...` + notPort},
		{"sequence = 1,x,2,y", "sequence: \"x\"" + notPort + "\nf:2: sequence: \"y\"" + notPort},
		{"one_time_sequences =", `one_time_sequences: there is no value after "="; give one, or remove the line`},
		{"one_time_sequences = /seq-used", `one_time_sequences: no usable line is left in "/seq-used" (line 2: "seven"` + notPort + `); add a line such as " port,port:udp,port"`},
		{"seq_timeout =", `seq_timeout: ""` + notTime},
		{"seq_timeout = 2147483648", `seq_timeout: "2147483648"` + notTime},
		{"timeout = 5s", `timeout: "5s"` + notTime},
		{"timeout = 5#", `timeout: "5#"` + notTime},
		{"cmd_timeout = 1.5", `cmd_timeout: "1.5"` + notTime},
		{"cooldown = -1", `cooldown: "-1"` + notTime},
		{"seq_cooldown = x", `seq_cooldown: "x"` + notTime},
		{"tcpflags =", `tcpflags: ""` + notFlag},
		{"tcpflags = syn,", `tcpflags: ""` + notFlag},
		{"tcpflags = syn ack", `tcpflags: "syn ack"` + notFlag},
		{"tcpflags = syn # x", `tcpflags: "syn # x"` + notFlag},
		{"tcpflags = !!syn", `tcpflags: "!!syn"` + notFlag},
		{"target =", `target: ""` + notAddr},
		{"target = 192.0.2.1/24", `target: "192.0.2.1/24" is not a network: it has bits behind the first 24; give its first address, or an address without a length`},
		{"target = 2001:db8::1/127", `target: "2001:db8::1/127" is not a network: it has bits behind the first 127; give its first address, or an address without a length`},
		{"target = 192.0.2.0/33", `target: "33" is not a number from 1 to 32 of bits in a network`},
		{"target = 192.0.2.0/0", `target: "0" is not a number from 1 to 32 of bits in a network`},
		{"target = 192.0.2.0/", `target: "" is not a number from 1 to 32 of bits in a network`},
		{"target = 2001:db8::/129", `target: "129" is not a number from 1 to 128 of bits in a network`},
		{"target = 2001:db8::/+64", `target: "+64" is not a number from 1 to 128 of bits in a network`},
		{"target = router.lan/24", `target: "router.lan"` + notAddr},
		{"target = /24", `target: ""` + notAddr},
		{"target = ::/64", `target: "::"` + notAddr},
		{"target = 0.0.0.0", `target: "0.0.0.0"` + notAddr},
		{"target = ::", `target: "::"` + notAddr},
		{"target = ::ffff:0.0.0.0", `target: "::ffff:0.0.0.0"` + notAddr},
		{"target = fe80::1%eth0", `target: "fe80::1%eth0"` + notAddr},
		{"= x", `there is no key before "="`},
		{"sequnce = 1", `sequnce: unknown key; did you mean "sequence"?`},
		{"STRAT_command = x", `STRAT_command: unknown key; did you mean "start_command"?`},
		{"tmeout = 1", `tmeout: unknown key; did you mean "timeout"?`},
		{"password = x", `password: unknown key`},
		{strings.Repeat("k", 99) + " = x", `"` + strings.Repeat("k", 48) + `"...: unknown key`},
		{"cm = x", `cm: unknown key`},
		{"sequence\u00a0= 1", `"sequence\u00a0": unknown key; did you mean "sequence"?`},
		{"-j ACCEPT", `-j: unknown key, and no "=" after it (a command must stand on one line)`},
		{"stop_comand x", `stop_comand: unknown key, and no "=" after it (a command must stand on one line); did you mean "stop_command"?`},
		{"sequence 7000", `sequence: there is no "=" after the key`},
		{"target", `target: there is no "=" after the key`},
		{"logfile = /x", `logfile: it belongs in the [options] section, not in door "a"`},
		{"interface x", `interface: it belongs in the [options] section, not in door "a"`},
		{"usesyslog = yes", `usesyslog: it belongs in the [options] section, not in door "a"`},
		{"# com\x00ment", `the line holds a NUL byte: "# com\x00ment"; write it again as plain text`},
		{"\x00", `the line holds a NUL byte: "\x00"; write it again as plain text`},
		{"com\x00mand = x", `command: the line holds a NUL byte: "com\x00mand = x"; write it again as plain text`},
	} {
		t.Run(tt.line, func(t *testing.T) {
			text, at := "[a]\nsequence = 1,2\n"+tt.line+"\n", "f:3: "
			if strings.HasPrefix(tt.line, "sequence ") || strings.HasPrefix(tt.line, "one_time") {
				text, at = "[a]\n"+tt.line+"\n", "f:2: "
			}
			refuse(t, text, at+tt.want)
		})
	}
}

func refuse(t *testing.T, text, want string) {
	t.Helper()
	c, err := parseText(text)
	if _, ok := err.(Errors); c != nil || !ok {
		t.Fatalf("got %+v, %v, want Errors", c, err)
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestRefusedFiles(t *testing.T) {
	const noDoor = "the file has no door; add a section such as [ssh] with a sequence"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "f:1: " + noDoor},
		{"comments only", "# a\n# b\n\n", "f:3: " + noDoor},
		{"options only", "[options]\nUseSyslog", "f:2: " + noDoor},
		{"UTF-16", "\xff\xfe[\x00", "f:1: the file is UTF-16; save it as UTF-8"},
		{"a door's key in options", "[options]\nsequence = 1\n[a]\nsequence = 1", "f:2: sequence: it belongs in a door's section, not in [options]"},
		{"empty log file", "[options]\nlogfile =\npidfile=\n[a]\nsequence = 1", "f:2: logfile: there is no value after \"=\"; give one, or remove the line\n" +
			"f:3: pidfile: there is no value after \"=\"; give one, or remove the line"},
		{"empty interface after a good one", "[options]\ninterface = x\ninterface =\n[a]\nsequence = 1", "f:3: interface: there is no value after \"=\"; give one, or remove the line"},
		{"only_ipv4", "[options]\nonly_ipv4 = 4\n[a]\nsequence = 1", `f:2: only_ipv4: "4" is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0`},
		{"pattern of interfaces", "[options]\ninterface = wan, eth[0-3]\n[a]\nsequence = 1", `f:2: interface: "eth[0-3]" is not a pattern of names; only * and ? stand for others`},
		{"syslog word", "[options]\nUseSyslog = maybe\n[a]\nsequence = 1", `f:2: usesyslog: "maybe" is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0`},
		{"syslog with nothing", "[options]\nUseSyslog =\n[a]\nsequence = 1", `f:2: usesyslog: "" is neither yes nor no; allowed are yes, true, on, 1 and no, false, off, 0`},
		{"syslog before a section", "UseSyslog\n[a]\nsequence = 1", "f:1: usesyslog: it stands before the first section; put it under [options] or under a door's [name]"},
		{"several before a section", "sequence = 1\nlogfile = /x\nseq_timeout = x\n", "f:1: sequence: it stands before the first section; put it under [options] or under a door's [name]\n" +
			`f:3: seq_timeout: "x"` + notTime},
		{"header with no name", "[]\nsequence = 1\n", "f:1: the section has no name; write [name]"},
		{"header that stays open", "[\nsequence = 1\n", `f:1: "[" does not end with "]"`},
		{"comment after a header", "[a] # ssh\nsequence = 1\n", `f:1: "[a] # ssh" does not end with "]"; nothing may follow a section header`},
		{"comment after [options]", "[options] # x\nUseSyslog\n[a]\nsequence = 1\n", `f:1: "[options] # x" does not end with "]"; nothing may follow a section header`},
		{"NUL in a header", "[a\x00]\nsequence = 1\n", `f:1: the line holds a NUL byte: "[a\x00]"; write it again as plain text`},
		{"options in capitals", "[Options]\nUseSyslog\n", "f:1: sequence: door \"Options\" has none; add a sequence or one_time_sequences, or write [options] if the global section is meant"},
		{"no time for two", "[a]\nseq_timeout=0\nsequence=1,2\n", "f:2: seq_timeout: 0 leaves no time for the second knock; give 1 or more seconds"},
		{"no time for one-time", "[a]\nseq_timeout=0\none_time_sequences=/seq\n", "f:2: seq_timeout: 0 leaves no time for a second knock, which a one-time sequence may have; give 1 or more seconds"},
		{"one-time file absent", "[a]\none_time_sequences=/gone\n", "f:2: one_time_sequences: cannot read the file of sequences: open /gone: file does not exist"},
		{"door without sequence among others", "[a]\nsequence=1\n\n[b]\ncommand=x\n[c]\nsequence=2\n", "f:4: sequence: door \"b\" has none; add a sequence or one_time_sequences"},
		{"many at once, in line order", "[options]\ninterfce = x\n[a]\nseq_timeout = soon\ncommand = x\n[b\nsequence = 0,1:icmp\ntcpflags = sin\n[c]\n", `f:2: interfce: unknown key; did you mean "interface"?
f:3: sequence: door "a" has none; add a sequence or one_time_sequences
f:4: seq_timeout: "soon"` + notTime + `
f:6: "[b" does not end with "]"
f:7: sequence: "0"` + notPort + `
f:7: sequence: "icmp" is not a protocol of port 1; allowed are tcp and udp
f:8: tcpflags: "sin"` + notFlag + `
f:9: sequence: door "c" has none; add a sequence or one_time_sequences`},
	} {
		t.Run(tt.name, func(t *testing.T) { refuse(t, tt.text, tt.want) })
	}
}

func TestErrorsAreBounded(t *testing.T) {
	_, err := parseText("[a]\nsequence=1\n" + strings.Repeat("x\n", 5000))
	errs, ok := err.(Errors)
	if !ok || len(errs) != maxReported+1 {
		t.Fatalf("%d errors, want %d and the note of the rest", len(errs), maxReported)
	}
	if got, want := errs[maxReported].Error(), "f:1002: what else is wrong from here on is left out"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "xabc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestParseOneTime(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		seq, bad   string
	}{
		{"empty", "", 0, "", ""},
		{"used up", "#1,2\n\t # 3\n", 0, "", ""},
		{"first unused", "# used\n\n 1,2:udp\n 3\n", 3, "1/tcp 2/udp", ""},
		{"CRLF and no end", " 1\r\n", 1, "1/tcp", ""},
		{"no final newline", "#1\n2", 2, "2/tcp", ""},
		{"byte order mark", "\xef\xbb\xbf1,2\n", 1, "1/tcp 2/tcp", ""},
		{"used with a byte order mark", "#\xbb\xbf1,2\n3", 2, "3/tcp", ""},
		{"comment behind", "1,2 # for monday\n", 1, "1/tcp 2/tcp", ""},
		{"bad before and after", "x\n 5\n0\n", 2, "5/tcp", "p:1: one_time_sequences: \"x\"" + notPort + "\np:3: one_time_sequences: \"0\"" + notPort},
		{"NUL", "1\x00\n", 0, "", "p:1: one_time_sequences: \"1\\x00\"" + notPort},
		{"33 ports", "1" + strings.Repeat(",1", 32), 0, "", "p:1: one_time_sequences: 33 ports in a sequence; at most 32 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line, seq, bad := ParseOneTime([]byte(tt.text), "p")
			if line != tt.line || sequenceText(seq) != tt.seq || Errors(bad).Error() != tt.bad {
				t.Errorf("got %d, %q, %q", line, sequenceText(seq), Errors(bad).Error())
			}
		})
	}
}

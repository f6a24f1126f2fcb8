package config

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"sesame/matcher"
)

// oneTimeFiles is the file system of the tests.
func oneTimeFiles(name string) ([]byte, error) {
	switch name {
	case "/seq":
		return []byte("#1,2\n 3,4:udp\n 5,6\n"), nil
	case "/seq-bad":
		return []byte("1,x\n 3,4\n 5,,6\n"), nil
	case "/seq-used":
		return []byte("#1,2\nseven\n"), nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func parseText(text string) (*Config, error) {
	return Parse(strings.NewReader(text), "f", oneTimeFiles)
}

func TestParse(t *testing.T) {
	c, err := parseText(`[options]
	UseSyslog
	LogFile = /var/log/knockd.log
	pidfile=/run/k.pid
	INTERFACE = wan0
[ssh]
	sequence = 7000, 9000:udp , 8000 : TCP
	timeout = 5
	tcpflags = syn, ! ack
	command = open %IP% = now
	cmd_timeout = 30
	stop_command = close %IP%
	cooldown = 7
	target = 2001:db8::1
[once]
	one_time_sequences = /seq
	start_command = a
	stop_command = b
	command_6 =
	stop_command_6 = d
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Interface: "wan0", LogFile: "/var/log/knockd.log", PidFile: "/run/k.pid", UseSyslog: true, name: "f",
		MaxOpen: 4096, MaxCommands: 16, StopTimeout: time.Minute, StopRetries: 10, CloseOnExit: true,
		ScanGuard: true, Decoys: 256, Lockout: time.Minute,
		Doors: []Door{{
			Name: "ssh", Line: 6,
			Sequence:   []matcher.Port{{Number: 7000, Proto: matcher.TCP}, {Number: 9000, Proto: matcher.UDP}, {Number: 8000, Proto: matcher.TCP}},
			SeqTimeout: 5 * time.Second, CmdTimeout: 30 * time.Second, Cooldown: 7 * time.Second,
			Flags:  matcher.Flags{Set: matcher.SYN, Clear: matcher.ACK},
			Target: matcher.Addr{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1},
			Start:  "open %IP% = now", Stop: "close %IP%", Start6: "open %IP% = now", Stop6: "close %IP%",
		}, {
			Name: "once", Line: 15,
			Sequence:   []matcher.Port{{Number: 3, Proto: matcher.TCP}, {Number: 4, Proto: matcher.UDP}},
			OneTime:    &OneTime{Path: "/seq", Line: 2},
			SeqTimeout: 25 * time.Second, CmdTimeout: 10 * time.Second,
			Start: "a", Stop: "b", Start6: "", Stop6: "d",
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestLeaseOptions reads what the daemon has and knockd has not.
func TestLeaseOptions(t *testing.T) {
	c, err := parseText(`[options]
	StateFile = /run/doors
	max_open = 2 # doors
	max_commands = 1
	command_timeout = 30
	stop_retries = 0
	after_reboot = FORGET
	close_on_exit = no
	scan_guard = no
	decoys = 9
	lockout = 0
[a]
	sequence = 1
`)
	if err != nil {
		t.Fatal(err)
	}
	c.Doors = nil
	want := &Config{
		name: "f", StateFile: "/run/doors", MaxOpen: 2, MaxCommands: 1,
		StartTimeout: 30 * time.Second, StopTimeout: 30 * time.Second, ForgetAfterReboot: true, Decoys: 9,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestAccepted(t *testing.T) {
	many := "[a]\nsequence=1\n"
	for _, tt := range []struct {
		name, text string
		want       func(c *Config) bool
	}{
		{"byte order mark", "\xef\xbb\xbf[options]\nUseSyslog\n" + many, func(c *Config) bool { return c.UseSyslog }},
		{"comment after a time", "[a]\nsequence = 1,2 # text, 3\nseq_timeout = 5 # text\ncmd_timeout = 6\t#\ncooldown = 7 #x", func(c *Config) bool {
			d := c.Doors[0]
			return len(d.Sequence) == 2 && d.SeqTimeout == 5*time.Second && d.CmdTimeout == 6*time.Second && d.Cooldown == 7*time.Second
		}},
		{"comment in a command stays", "[a]\nsequence=1\ncommand = x # y", func(c *Config) bool { return c.Doors[0].Start == "x # y" }},
		{"largest time", "[a]\nsequence=1\nseq_timeout=2147483647\n", func(c *Config) bool { return c.Doors[0].SeqTimeout == 2147483647*time.Second }},
		{"no time for one port", "[a]\nsequence=1\nseq_timeout=0\n", func(c *Config) bool { return c.Doors[0].SeqTimeout == 0 }},
		{"no time to stop", "[a]\nsequence=1,2\ncmd_timeout=0\n", func(c *Config) bool { return c.Doors[0].CmdTimeout == 0 }},
		{"leading zeros", "[a]\nsequence=0080\n", func(c *Config) bool { return c.Doors[0].Sequence[0].Number == 80 }},
		{"last port", "[a]\nsequence=65535\n", func(c *Config) bool { return c.Doors[0].Sequence[0].Number == 65535 }},
		{"later flag wins", "[a]\nsequence=1\ntcpflags = syn,!syn,!ack,ack\n", func(c *Config) bool {
			return c.Doors[0].Flags == matcher.Flags{Set: matcher.ACK, Clear: matcher.SYN}
		}},
		{"mapped target", "[a]\nsequence=1\ntarget=::ffff:192.0.2.1\n", func(c *Config) bool { return c.Doors[0].Target.Is4() }},
		{"target, an IPv4 network", "[a]\nsequence=1\ntarget=192.0.2.0/24\n", func(c *Config) bool {
			return c.Doors[0].targetText() == "192.0.2.0/24" && c.Doors[0].TargetWide == 8
		}},
		{"target, an IPv6 network", "[a]\nsequence=1\ntarget=2001:db8::/64\n", func(c *Config) bool {
			return c.Doors[0].targetText() == "2001:db8::/64" && c.Doors[0].TargetWide == 64
		}},
		{"target, a network of one", "[a]\nsequence=1\ntarget=192.0.2.1/32\n", func(c *Config) bool { return c.Doors[0].TargetWide == 0 }},
		{"IPv4 only", "[options]\nOnly_IPv4 = yes\n[a]\nsequence=1\n", func(c *Config) bool { return c.OnlyIPv4 }},
		{"not IPv4 only", "[options]\nonly_ipv4 = no\n[a]\nsequence=1\n", func(c *Config) bool { return !c.OnlyIPv4 }},
		{"list of interfaces", "[options]\ninterface = wan , wg0,ppp*\n[a]\nsequence=1\n", func(c *Config) bool { return c.Interface == "wan,wg0,ppp*" }},
		{"brackets in a name", "[a]b]\nsequence=1\n", func(c *Config) bool { return c.Doors[0].Name == "a]b" }},
		{"Options is a door", "[Options]\nsequence=1\n", func(c *Config) bool { return c.Doors[0].Name == "Options" }},
		{"fallback set later", "[a]\nsequence=1\nstop_command_6 =\ncommand = x\nstop_command = y\n", func(c *Config) bool {
			d := c.Doors[0]
			return d.Start6 == "x" && d.Stop6 == "" && d.Stop == "y"
		}},
		{"keys do not leak into the next door", "[a]\nsequence=1\ncommand_6=x\n[b]\nsequence=2\ncommand=y\n", func(c *Config) bool {
			return c.Doors[1].Start6 == "y" && c.Doors[0].Start == ""
		}},
		{"vertical blanks", "\v[a]\f\n\vsequence\f=\v1\f", func(c *Config) bool { return c.Doors[0].Sequence[0].Number == 1 }},
		{"long line", "[a]\nsequence=1\ncommand=" + strings.Repeat("x", 100000), func(c *Config) bool { return len(c.Doors[0].Start) == 100000 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseText(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(c) || len(c.Warnings) != 0 {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestUseSyslog(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "=yes": true, " = YES": true, "= true": true, "=1": true, "=on": true,
		"=no": false, "=false": false, "=0": false, "= Off": false,
	} {
		c, err := parseText("[options]\nUseSyslog" + value + "\n[a]\nsequence=1\n")
		if err != nil || c.UseSyslog != want {
			t.Errorf("UseSyslog%s: %v, %v", value, c, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"twice", "[a]\nsequence=1\ntimeout=3\nseq_timeout=4\n", "f:4: seq_timeout: also set on line 3; this line counts"},
		{"flags twice", "[a]\nsequence=1\ntcpflags=syn\ntcpflags=!ack\n", "f:4: tcpflags: also set on line 3; this line counts alone (knockd would add the flags of both)"},
		{"interface twice", "[options]\ninterface=x\ninterface=y\n[a]\nsequence=1\n", "f:3: interface: already set on line 2, which counts; this line is ignored"},
		{"sequence last", "[a]\none_time_sequences=/seq\nsequence=1\n", "f:3: sequence: it replaces the one_time_sequences of line 2"},
		{"one-time last", "[a]\nsequence=1\none_time_sequences=/seq\n", "f:3: one_time_sequences: it replaces the sequence of line 2"},
		{"syslog in a door", "[a]\nUseSyslog\nsequence=1\n", "f:2: usesyslog: it holds for every door; move it to [options]"},
		{"bad one-time lines", "[a]\none_time_sequences=/seq-bad\n", `/seq-bad:1: one_time_sequences: "x" is not a port; give a number from 1 to 65535
/seq-bad:3: one_time_sequences: a port is missing beside a comma; give a number from 1 to 65535, or remove the comma`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseText(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := Errors(c.Warnings).Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	c, err := parseText("[options]\ninterface=x\ninterface=y\n[a]\none_time_sequences=/seq\nsequence=1\ntimeout=3\ntimeout=4\n")
	if err != nil || c.Interface != "x" || c.Doors[0].OneTime != nil || c.Doors[0].Sequence[0].Number != 1 || c.Doors[0].SeqTimeout != 4*time.Second {
		t.Errorf("the wrong one of two counts: %+v, %v", c, err)
	}
}

func TestReadFails(t *testing.T) {
	cause := errors.New("bad disk")
	c, err := Parse(iotest.ErrReader(cause), "f", oneTimeFiles)
	if _, text := err.(Errors); c != nil || text || !errors.Is(err, cause) || err.Error() != "read configuration f: bad disk" {
		t.Errorf("got %v, %v", c, err)
	}
}

// A file at each limit is accepted, and one past it is refused.
func TestLimits(t *testing.T) {
	doors := "[options]\n" + strings.Repeat("[a]\nsequence=1\n", maxDoors)
	c, err := parseText(doors)
	if err != nil || len(c.Doors) != maxDoors {
		t.Fatalf("%d doors: %v", maxDoors, err)
	}
	_, err = parseText(doors + "[b]\nnonsense\n")
	if want := "f:131072: more than 65535 doors; nothing from here on was read"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	door := []byte("[a]\nsequence=1\n#")
	full := append(door, bytes.Repeat([]byte("x"), maxFile-len(door))...)
	if _, err := Parse(bytes.NewReader(full), "f", oneTimeFiles); err != nil {
		t.Error(err)
	}
	_, err = Parse(bytes.NewReader(append(full, 'x')), "f", oneTimeFiles)
	if want := "f:3: the file is larger than 16 MiB; is it a configuration?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

package config

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/matcher"
)

func FuzzConfig(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(corpusDir, "*.conf"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 8000 {
			f.Add(data)
		}
	}
	for _, seed := range []string{
		"\xef\xbb\xbf[options]\r\n\tUseSyslog = on\r\n[a b]\r\nsequence = 1, 2:udp , 3 :tcp # x\r\ntcpflags = !syn, ack",
		"[a]\none_time_sequences = /seq\nstart_command_6 =\nstop_command = (a; b) || \"$(c)\" `d` %IP%\n",
		"[a]\none_time_sequences = /seq-bad\nsequence = 1\nsequence = 2\nseq_timeout = 0\n",
		"[a\nsequence\x00 = 1\n[]\n[options] # x\nx\n=\ntarget = ::1\ncooldown = 2147483647",
		"[options]\nStateFile = x\nmax_open = 7\nmax_commands=2\ncommand_timeout=0\nstop_retries=0\nafter_reboot=forget\nclose_on_exit=no\nscan_guard=no\ndecoys=0\nlockout=5\n[a]\nsequence=1",
		"[a]\nsequence=1\ncommand=X=1 if case 'a' in \\\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(strings.NewReader(string(data)), "f", oneTimeFiles)
		if err != nil {
			checkErrors(t, c, err)
			return
		}
		for i := range c.Doors {
			checkDoor(t, &c.Doors[i])
		}
		checkPlaces(t, c.Warnings)
		if n := Check(io.Discard, c, installed); n < len(c.Warnings) {
			t.Fatalf("%d warnings of the check, %d of the parser", n, len(c.Warnings))
		}
		checkSame(t, c)
	})
}

func checkErrors(t *testing.T, c *Config, err error) {
	t.Helper()
	errs, ok := err.(Errors)
	if !ok || c != nil || len(errs) == 0 || len(errs) > maxReported+1 {
		t.Fatalf("config %v with error %v", c, err)
	}
	checkPlaces(t, errs)
	for i := range errs {
		if errs[i].File != "f" || i > 0 && errs[i].Line < errs[i-1].Line {
			t.Fatalf("errors are not in line order: %v", err)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(errs) {
		t.Fatalf("%d lines for %d errors: %v", got, len(errs), err)
	}
}

func checkPlaces(t *testing.T, list []Error) {
	t.Helper()
	for _, e := range list {
		if e.File == "" || e.Line < 1 || e.Reason == "" || strings.ContainsAny(e.Error(), "\n\r\x00\x1b") {
			t.Fatalf("a fault without its place, or not fit for a terminal: %q", e.Error())
		}
	}
}

func checkDoor(t *testing.T, d *Door) {
	t.Helper()
	if n := len(d.Sequence); n < 1 || n > matcher.MaxSequence {
		t.Fatalf("%d ports in %+v", n, d)
	}
	for _, p := range d.Sequence {
		if p.Number == 0 || p.Proto != matcher.TCP && p.Proto != matcher.UDP {
			t.Fatalf("port %+v in %+v", p, d)
		}
	}
	for _, s := range []time.Duration{d.SeqTimeout, d.CmdTimeout, d.Cooldown} {
		if s < 0 || s > maxSeconds*time.Second || s%time.Second != 0 {
			t.Fatalf("time %v in %+v", s, d)
		}
	}
	switch {
	case d.SeqTimeout == 0 && (len(d.Sequence) > 1 || d.OneTime != nil),
		d.Flags.Set&d.Flags.Clear != 0,
		d.Line < 1 || d.Name == "" || d.Name == "options",
		d.Target == matcher.Addr{10: 0xff, 11: 0xff},
		d.OneTime != nil && (d.OneTime.Path == "" || d.OneTime.Line < 1):
		t.Fatalf("door %+v", d)
	}
}

// checkSame writes the configuration out with every value set, and wants the
// same values back.
func checkSame(t *testing.T, c *Config) {
	t.Helper()
	text := written(c)
	again, err := Parse(strings.NewReader(text), "f", oneTimeFiles)
	if err != nil {
		t.Fatalf("%v\nin the configuration written out:\n%s", err, text)
	}
	a, b := values(c), values(again)
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("got  %+v\nwant %+v\nfrom\n%s", b, a, text)
	}
}

// values leaves out what depends on how the text was laid out.
func values(c *Config) Config {
	v := *c
	v.Warnings = nil
	v.Doors = append([]Door(nil), c.Doors...)
	for i := range v.Doors {
		v.Doors[i].Line = 0
	}
	return v
}

func written(c *Config) string {
	var b strings.Builder
	set := func(key, value string) { b.WriteString(key + " = " + value + "\n") }
	b.WriteString("[options]\n")
	for _, o := range [][2]string{{"interface", c.Interface}, {"logfile", c.LogFile}, {"pidfile", c.PidFile}, {"statefile", c.StateFile}} {
		if o[1] != "" {
			set(o[0], o[1])
		}
	}
	if c.OnlyIPv4 {
		set("only_ipv4", "on")
	}
	if c.UseSyslog {
		b.WriteString("UseSyslog\n")
	}
	set("max_open", strconv.Itoa(c.MaxOpen))
	set("max_commands", strconv.Itoa(c.MaxCommands))
	set("stop_retries", strconv.Itoa(c.StopRetries))
	if c.StartTimeout == c.StopTimeout { // else the key is not there
		set("command_timeout", strings.TrimSuffix(seconds(c.StopTimeout), " s"))
	}
	if c.ForgetAfterReboot {
		set("after_reboot", "forget")
	}
	if !c.CloseOnExit {
		set("close_on_exit", "no")
	}
	if !c.ScanGuard {
		set("scan_guard", "no")
	}
	set("decoys", strconv.Itoa(c.Decoys))
	set("lockout", strings.TrimSuffix(seconds(c.Lockout), " s"))
	for _, d := range c.Doors {
		b.WriteString("[" + d.Name + "]\n")
		if d.OneTime != nil {
			set("one_time_sequences", d.OneTime.Path)
		} else {
			var ports []string
			for _, word := range strings.Fields(sequenceText(d.Sequence)) {
				ports = append(ports, strings.Replace(word, "/", ":", 1))
			}
			set("sequence", strings.Join(ports, ","))
		}
		set("seq_timeout", strings.TrimSuffix(seconds(d.SeqTimeout), " s"))
		set("cmd_timeout", strings.TrimSuffix(seconds(d.CmdTimeout), " s"))
		set("cooldown", strings.TrimSuffix(seconds(d.Cooldown), " s"))
		if d.Flags != (matcher.Flags{}) {
			set("tcpflags", strings.ReplaceAll(flagsText(d.Flags), " ", ","))
		}
		if d.Target != (matcher.Addr{}) {
			set("target", d.targetText())
		}
		set("start_command", d.Start)
		set("stop_command", d.Stop)
		set("start_command_6", d.Start6)
		set("stop_command_6", d.Stop6)
	}
	return b.String()
}

func FuzzOneTime(f *testing.F) {
	for _, seed := range []string{
		"", "#1,2\n 3,4:udp\n", "\xef\xbb\xbf1\r\n\r\n x\n 2 # y\n", "1,,2\n\x00\n33,33,33,33", strings.Repeat("1,", 40),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, seq, bad := ParseOneTime(data, "p")
		checkPlaces(t, bad)
		if (line == 0) != (seq == nil) {
			t.Fatalf("line %d, sequence %v", line, seq)
		}
		if line == 0 {
			return
		}
		checkDoor(t, &Door{Name: "a", Line: line, Sequence: seq, SeqTimeout: time.Second})

		// Using the line up as the daemon does brings the next one into force.
		lines := strings.SplitAfter(string(data), "\n")
		used := lines[line-1]
		lines[line-1] = "#" + used[1:]
		next, _, rest := ParseOneTime([]byte(strings.Join(lines, "")), "p")
		if next != 0 && next <= line || !reflect.DeepEqual(rest, bad) {
			t.Fatalf("line %d was used up, and line %d is in force, %v for %v", line, next, rest, bad)
		}
	})
}

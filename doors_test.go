package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sesame/config"
	"sesame/exec"
	"sesame/matcher"
)

func parseDoors(t *testing.T, text string) *doors {
	t.Helper()
	cfg, err := config.Parse(strings.NewReader(text), "knockd.conf", os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDoors(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDoors checks that every value of a door reaches the one it is for.
func TestDoors(t *testing.T) {
	d := parseDoors(t, `
[ssh]
sequence = 7000,9:udp
tcpflags = syn,!ack
target = 192.0.2.1
start_command = open
stop_command = shut
start_command_6 = open6
stop_command_6 =
cmd_timeout = 30
`)
	want := exec.Door{Name: "ssh", Start: "open", Stop: "shut", Start6: "open6", Lease: 30e9}
	if d.exec[0] != want {
		t.Errorf("%+v", d.exec[0])
	}
	in := d.interest(true)
	ports := []matcher.Port{{Number: 7000, Proto: matcher.TCP}, {Number: 9, Proto: matcher.UDP}}
	if !slices.Equal(in.Ports, ports) || in.Flags != (matcher.Flags{Set: matcher.SYN, Clear: matcher.ACK}) || !in.Only4 {
		t.Errorf("%+v", in)
	}
	target := matcher.Addr{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
	for _, p := range []matcher.Packet{
		{Dst: target, Port: ports[0], Flags: matcher.SYN},
		{Dst: target, Port: ports[1]},
	} {
		evs := d.matcher.Packet(0, &p)
		if len(evs) == 0 {
			t.Errorf("%+v led to nothing", p)
		}
	}
	other := parseDoors(t, "[a]\nsequence = 1\n")
	p := matcher.Packet{Dst: target, Port: matcher.Port{Number: 1, Proto: matcher.TCP}}
	if evs := other.matcher.Packet(0, &p); len(evs) != 0 {
		t.Error("without a target, a knock for another machine counts")
	}
}

// TestOneTime uses up a file of two sequences, one of them after a bad line.
func TestOneTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sequences")
	if err := os.WriteFile(path, []byte(" 1001,1002\nnonsense\n 2001,2002\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	d := parseDoors(t, "[a]\none_time_sequences = "+path+"\n")
	var warnings []string
	knock := func(ports ...uint16) (opened bool) {
		for _, n := range ports {
			p := matcher.Packet{Port: matcher.Port{Number: n, Proto: matcher.TCP}, Local: true}
			for _, ev := range d.matcher.Packet(0, &p) {
				if ev.Kind == matcher.Open {
					opened = true
					if err := d.useSequence(ev.Door, func(s string) { warnings = append(warnings, s) }); err != nil {
						t.Error(err)
					}
				}
			}
		}
		return opened
	}
	steps := []struct {
		ports  []uint16
		opens  bool
		file   string
		warned string
	}{
		{[]uint16{2001, 2002}, false, " 1001,1002\nnonsense\n 2001,2002\n", ""},
		{[]uint16{1001, 1002}, true, "#1001,1002\nnonsense\n 2001,2002\n", path + ":2: one_time_sequences: "},
		{[]uint16{1001, 1002}, false, "#1001,1002\nnonsense\n 2001,2002\n", ""},
		{[]uint16{2001, 2002}, true, "#1001,1002\nnonsense\n#2001,2002\n", "no sequence left"},
		{[]uint16{2001, 2002}, false, "#1001,1002\nnonsense\n#2001,2002\n", ""},
	}
	for i, s := range steps {
		warnings = nil
		if opened := knock(s.ports...); opened != s.opens {
			t.Errorf("step %d: opened %v", i, opened)
		}
		if got := read(t, path); got != s.file {
			t.Errorf("step %d: file %q, want %q", i, got, s.file)
		}
		if text := fmt.Sprint(warnings); !strings.Contains(text, s.warned) || s.warned == "" && len(warnings) > 0 {
			t.Errorf("step %d: warnings %s", i, text)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&0o777 != 0o640 {
		t.Errorf("mode %o, %v; want it as it was", st.Mode, err)
	}
}

// TestOneTimeUnmarked takes the file away: the used sequence must not open
// again.
func TestOneTimeUnmarked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sequences")
	if err := os.WriteFile(path, []byte(" 1001\n 2001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := parseDoors(t, "[a]\none_time_sequences = "+path+"\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err := d.useSequence(0, func(s string) { t.Error(s) })
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v, which should name %s", err, path)
	}
	for _, n := range []uint16{1001, 2001} {
		p := matcher.Packet{Port: matcher.Port{Number: n, Proto: matcher.TCP}, Local: true}
		if evs := d.matcher.Packet(0, &p); len(evs) != 0 {
			t.Errorf("port %d still opens", n)
		}
	}
}

// TestInherit reloads while attempts are in flight: those at doors that take
// the same knocks go on, wherever the door stands in the file now.
func TestInherit(t *testing.T) {
	old := parseDoors(t, "[a]\nsequence = 1,2\n[b]\nsequence = 3,4\n[c]\nsequence = 5,6\n[a]\nsequence = 7,8\n[d]\nsequence = 9,10\n")
	knock := func(d *doors, n uint16) (opened string) {
		p := matcher.Packet{Port: matcher.Port{Number: n, Proto: matcher.TCP}, Local: true}
		for _, ev := range d.matcher.Packet(0, &p) {
			if ev.Kind == matcher.Open {
				opened += d.name(ev.Door)
			}
		}
		return opened
	}
	for _, n := range []uint16{1, 3, 5, 7, 9} {
		knock(old, n)
	}
	fresh := parseDoors(t, "[c]\nsequence = 5,6\nstart_command = other\n[a]\nsequence = 7,8\n[b]\nsequence = 3,4\nseq_timeout = 7\n[e]\nsequence = 9,10\n[a]\nsequence = 1,2\n")
	fresh.inherit(old)
	for n, want := range map[uint16]string{2: "a", 4: "", 6: "c", 8: "a", 10: ""} {
		if got := knock(fresh, n); got != want {
			t.Errorf("the second knock, on %d, opens %q, want %q", n, got, want)
		}
	}
}

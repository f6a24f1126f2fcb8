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
					d.nextSequence(ev.Door, func(s string) { warnings = append(warnings, s) })
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
	var warned string
	d.nextSequence(0, func(s string) { warned = s })
	if !strings.HasPrefix(warned, "a: no longer opens until a reload: ") || !strings.Contains(warned, path) {
		t.Errorf("warning %q", warned)
	}
	for _, n := range []uint16{1001, 2001} {
		p := matcher.Packet{Port: matcher.Port{Number: n, Proto: matcher.TCP}, Local: true}
		if evs := d.matcher.Packet(0, &p); len(evs) != 0 {
			t.Errorf("port %d still opens", n)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sesame/config"
	"sesame/control"
	"sesame/exec"
)

const requestDoors = `
[ssh]
sequence = 7000
start_command = true %IP%
stop_command = true -stop %IP%
cmd_timeout = 3600
[my door]
sequence = 7001
start_command = true
stop_command = true -stop
[only4]
sequence = 7002
start_command = true -4
stop_command = true -stop4
start_command_6 =
stop_command_6 =
`

// requestDaemon is a daemon that answers, without a packet socket.
func requestDaemon(t *testing.T, conf string) (*daemon, *places) {
	t.Helper()
	d, p := stateDaemon(t)
	d.doors, d.started = parseDoors(t, conf), d.loop.instant.Now
	if err := d.openLeases(d.doors.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.leases.Close)
	d.loop.watch(d.leases.FD(), func() { d.leases.Ready(d.loop.instant) })
	return d, p
}

// withSocket has it listen on an interface; status asks for its counts.
func (d *daemon) withSocket(t *testing.T, name string) {
	t.Helper()
	iface := d.iface // of its files
	d.iface = name
	err := d.openLinks(d.doors.config)
	if errors.Is(err, fs.ErrPermission) && os.Getenv("CI") != "true" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	d.iface = iface
	d.startLinks()
	t.Cleanup(func() {
		d.until = 0
		for len(d.links.ears) > 0 {
			d.close(d.links.ears[0])
		}
		d.links.network.Close()
	})
}

// answer is the whole answer to a request.
func (d *daemon) answer(request string) string {
	reply := d.onRequest(request)
	var b []byte
	for more := true; more; {
		b, more = reply(b)
	}
	return strings.TrimSuffix(string(b), "\n")
}

// turns runs the daemon's loop until done says so.
func (d *daemon) turns(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for " + what)
		}
		if err := d.loop.wait(d.loop.instant.Now.Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		d.expire()
		d.loop.dispatch()
		d.leases.Reap(d.loop.instant)
	}
}

// states are the doors as status has them.
func (d *daemon) states() string {
	var list []string
	for at := 0; ; {
		v, next := d.leases.View(at)
		if at = next; at < 0 {
			slices.Sort(list)
			return strings.Join(list, ", ")
		}
		list = append(list, v.Door+" "+v.Src.String()+" "+v.State)
	}
}

func (d *daemon) await(t *testing.T, states string) {
	t.Helper()
	d.turns(t, fmt.Sprintf("%q", states), func() bool { return d.states() == states })
}

func TestUnknownRequests(t *testing.T) {
	d, _ := requestDaemon(t, requestDoors)
	for request, want := range map[string]string{
		"":                          "does not know the request",
		"frob":                      "(version " + version + ") does not know the request \"frob\"",
		"status now":                "does not know the request",
		"Status":                    "does not know the request",
		"open ssh":                  "does not know the request",
		"open ssh 192.0.2.7 now":    "does not know the request",
		"close ssh 192.0.2.7 now":   "does not know the request",
		"\x1b[2J\x00":               "does not know the request \"\\x1b[2J\\x00\"",
		"open \"ssh":                "the request cannot be read: a quoted word does not end",
		"open ssh host.example":     "\"host.example\" is not the IPv4 or IPv6 address",
		"open ssh fe80::1%eth0":     "is not the IPv4 or IPv6 address",
		"open ssh 192.0.2.7/24":     "is not the IPv4 or IPv6 address",
		"open ssh 192.0.2.007":      "is not the IPv4 or IPv6 address",
		"open ssh 3221225991":       "is not the IPv4 or IPv6 address",
		"open ssh ::":               "is not the IPv4 or IPv6 address",
		"open ssh 0.0.0.0":          "is not the IPv4 or IPv6 address",
		"open ssh ::ffff:0.0.0.0":   "is not the IPv4 or IPv6 address",
		"open ssh \"\"":             "is not the IPv4 or IPv6 address",
		"close ssh fe80::1%eth0":    "is not the IPv4 or IPv6 address",
		"close ssh ::":              "is not the IPv4 or IPv6 address",
		"close ssh ssh":             "is not the IPv4 or IPv6 address",
		"close \"\"":                "a door's name is not empty",
		"close \"\" 192.0.2.7":      "a door's name is not empty",
		"open \"a\\nb\" 192.0.2.7":  "there is no door \"a\\nb\"; there are \"ssh\", \"my door\", \"only4\"",
		"open SSH 192.0.2.7":        "there is no door \"SSH\"",
		"open \"\" 192.0.2.7":       "there is no door \"\"",
		"close ssh \"192.0.2.7 \" ": "is not the IPv4 or IPv6 address",
	} {
		words, err := control.Split(d.answer(request))
		if err != nil || len(words) != 2 || words[0] != "error" || !strings.Contains(words[1], want) {
			t.Errorf("%q: %q, %v; want %q", request, words, err, want)
		}
	}
	if d.leases.Len() != 0 {
		t.Error("a door is open:", d.states())
	}
}

// TestOpenByHand opens as a knock does: a lease, in the log and in the state
// file.
func TestOpenByHand(t *testing.T) {
	d, p := requestDaemon(t, "[options]\nmax_open = 3\n"+requestDoors)
	steps := []struct{ request, answer, states string }{
		{"open ssh 192.0.2.7", "outcome opened", "ssh 192.0.2.7 open"},
		{"open ssh ::ffff:192.0.2.7", "outcome renewed", "ssh 192.0.2.7 open"},
		{"open \"ssh\" \"2001:DB8:0::7\"", "outcome opened", "ssh 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"open only4 2001:db8::7", "outcome nothing", "ssh 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"open \"my door\" 192.0.2.7", "outcome opened", "my door 192.0.2.7 open, ssh 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"open only4 192.0.2.7", "outcome refused", "my door 192.0.2.7 open, ssh 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"close ssh ::ffff:192.0.2.7", "closing 1", "my door 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"close ssh 192.0.2.7", "closing 0", "my door 192.0.2.7 open, ssh 2001:db8::7 open"},
		{"close \"my door\"", "closing 1", "ssh 2001:db8::7 open"},
		{"open \"my door\" 192.0.2.8", "outcome opened", "my door 192.0.2.8 open, ssh 2001:db8::7 open"},
		{"close", "closing 2", ""},
		{"close", "closing 0", ""},
	}
	for i, s := range steps {
		if got := d.answer(s.request); got != s.answer {
			t.Errorf("%s: %q, want %q", s.request, got, s.answer)
		}
		if i == 0 {
			if got := d.answer(s.request); got != "outcome queued" {
				t.Errorf("while the command runs: %q", got)
			}
		}
		d.await(t, s.states)
		// Each lease is in the file before its command is run.
		if b, err := os.ReadFile(d.leases.StateFile); err != nil || i == 0 && !strings.Contains(string(b), " 192.0.2.7 \"ssh\" \"true %IP%\" ") {
			t.Errorf("%q, %v", b, err)
		}
	}
	log := p.log()
	for _, line := range []string{
		"192.0.2.7: ssh: OPEN SESAME, by hand\n", "192.0.2.7: ssh: already open, lease renewed for 3600 s\n",
		"2001:db8::7: ssh: OPEN SESAME, by hand\n", "192.0.2.7: ssh: closing\n",
	} {
		if !strings.Contains(log, line) {
			t.Errorf("%q is not in the log:\n%s", line, log)
		}
	}
	d.until = 1
	if got := d.answer("open ssh 192.0.2.7"); got != `error "the daemon is about to end"` {
		t.Error(got)
	}
}

// TestOneName has a file with doors of one name: all of them are opened, and
// the best outcome counts.
func TestOneName(t *testing.T) {
	d, _ := requestDaemon(t, "[options]\nmax_open = 1\n[a]\nsequence = 1\n[a]\nsequence = 2\nstart_command = true\nstop_command = true\n"+
		"[a]\nsequence = 3\nstart_command = true -3\nstop_command = true -3\n[b]\nsequence = 4\n")
	for _, want := range []string{"outcome opened", "outcome renewed"} {
		if got := d.answer("open a 192.0.2.7"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		d.await(t, "a 192.0.2.7 open")
	}
	if got := d.answer("open b 192.0.2.7"); got != "outcome nothing" {
		t.Error(got)
	}
}

func TestDoorNames(t *testing.T) {
	var conf strings.Builder
	for i := range 20 {
		conf.WriteString("[d" + strconv.Itoa(i) + "]\nsequence = " + strconv.Itoa(i+1) + "\n")
	}
	d := &daemon{doors: parseDoors(t, conf.String())}
	if got := d.doorNames(); !strings.HasPrefix(got, `there are "d0", "d1", `) || !strings.HasSuffix(got, `, "d15" and 4 more`) {
		t.Error(got)
	}
}

// FuzzAsked asks a daemon whose doors have no commands for anything.
func FuzzAsked(f *testing.F) {
	for _, seed := range []string{"open ssh 192.0.2.7", "open \"my door\" ::ffff:192.0.2.7", "close", "close ssh fe80::1%eth0", "open \"\\xff\" ::", "\x00\""} {
		f.Add(seed)
	}
	d := &daemon{loop: &loop{}, log: &logger{now: time.Now}}
	cfg, err := config.Parse(strings.NewReader("[ssh]\nsequence = 1\n[my door]\nsequence = 2\n"), "f", os.ReadFile)
	if err == nil {
		d.doors, err = newDoors(cfg)
	}
	if err == nil {
		d.leases, err = exec.NewLeases(exec.Settings{MaxOpen: 1, Log: func(string) {}}, exec.Instant{})
	}
	if err == nil {
		d.log.file, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(d.leases.Close)
	f.Fuzz(func(t *testing.T, request string) {
		if words, _ := control.Split(request); len(words) == 1 && words[0] == "status" {
			return // asks the packet socket
		}
		words, err := control.Split(d.answer(request))
		if err != nil || len(words) != 2 || words[0] != "error" && words[0] != "outcome" && words[0] != "closing" {
			t.Errorf("%q: %q, %v", request, words, err)
		}
	})
}

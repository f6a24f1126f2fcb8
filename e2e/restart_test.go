package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steps is a door whose commands tell of their steps in a file.
type steps struct {
	*lab
	start, stop *gate
	text        string // of the configuration
}

// newSteps makes a door named door, with a real rule, whose commands wait at a
// gate each before they touch it.
func newSteps(t *testing.T, lease int) *steps {
	t.Helper()
	l := newLab(t)
	s := &steps{lab: l, start: l.gate("start"), stop: l.gate("stop")}
	add, remove := l.nftGate()
	tell := func(what string) string {
		return "echo " + what + ` $(cut -d" " -f1 /proc/uptime) >> ` + l.dir + "/steps"
	}
	s.text = fmt.Sprintf("[door]\n\tsequence = 7000,8000,9000\n\ttcpflags = syn\n\tcmd_timeout = %d\n"+
		"\tstart_command = %s; read x < %s; %s && %s\n\tstop_command = %s; read x < %s; %s && %s\n", lease,
		tell("begin"), s.start.path, add, tell("opened"), tell("close"), s.stop.path, remove, tell("shut"))
	l.file("steps", "")
	return s
}

// step is a line of the file: what happened, and when, in seconds since boot.
type step struct {
	what string
	at   float64
}

func (s *steps) list() (all []step) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "steps"))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var st step
		if _, err := fmt.Sscan(line, &st.what, &st.at); err != nil {
			return all // is being written
		}
		all = append(all, st)
	}
	return all
}

// words are what happened, without the times.
func (s *steps) words() string {
	s.t.Helper()
	var words []string
	for _, st := range s.list() {
		words = append(words, st.what)
	}
	return strings.Join(words, " ")
}

// await returns when these steps, and no others, have been taken.
func (s *steps) await(words string) {
	s.t.Helper()
	eventually(s.t, "the steps "+words, func() bool {
		got := s.words()
		if !strings.HasPrefix(words, got) {
			s.t.Fatalf("steps %q, want %q", got, words)
		}
		return got == words
	})
}

// Killed before it has recorded a lease, the daemon has done nothing: it is
// stopped while the request comes.
func TestKilledBeforeTheRecord(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no control socket")
	s := newSteps(t, 600)
	d := s.serve(s.text)
	d.pause()
	answer := make(chan error)
	go func() {
		_, err := ask(d.socket, "open", "door", doc(1))
		answer <- err
	}()
	eventually(t, "the request", func() bool { // what connects is in the client's network namespace
		list, err := os.ReadFile("/proc/net/unix")
		return err == nil && strings.Contains(string(list), d.socket)
	})
	d.kill()
	if err := <-answer; err == nil {
		t.Error("the request was answered")
	}
	d = d.again()
	d.awaitOpen(0)
	s.await("")
	s.wantFriends()
}

// A start command that outlives its daemon is waited for by the next one: its
// time begins when it ends, and its door is shut only then.
func TestKilledDuringStart(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the door open")
	s := newSteps(t, 1)
	d := s.serve(s.text + `
[other]
	sequence = 6000
	start_command = :
	cmd_timeout = 2
	stop_command = echo other is shut
`)
	d.open("door", doc(1), "opened")
	s.await("begin")
	d.open("other", doc(2), "opened")
	d.kill()
	d = d.again()
	d.wait("2 doors are open from before, 0 of them overdue")
	if got := d.lease("door", doc(1)); got.State != "opening" {
		t.Errorf("the door is %s, want opening", got.State)
	}
	d.open("door", doc(1), "queued")
	d.hear("other is shut") // later than the door could be
	s.await("begin")
	s.wantFriends()
	s.start.open()
	s.await("begin opened close")
	s.wantFriends(doc(1))
	s.stop.open()
	d.awaitShut()
	s.await("begin opened close shut")
	s.wantFriends()
	if list := s.list(); list[2].at-list[1].at < 1 {
		t.Errorf("the door was open for %.2f s, want 1 s or more", list[2].at-list[1].at)
	}
}

// Between its commands a lease goes on in the next daemon, for the time left.
func TestKilledWhileOpen(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the door open")
	s := newSteps(t, 600)
	s.start.open()
	s.stop.open()
	d := s.serve(s.text)
	s.knock(gateway, "7000", "8000", "9000")
	s.await("begin opened")
	d.awaitOpen(1)
	before, began := d.lease("door", client), time.Now()
	d.kill()
	s.wantFriends(client)
	d = d.again()
	d.wait("1 doors are open from before, 0 of them overdue")
	after := d.lease("door", client)
	passed := time.Since(began)
	if after.State != "open" || after.Left > before.Left || after.Left < before.Left-passed-2*time.Second {
		t.Errorf("after %v the lease is %+v, before %+v", passed, after, before)
	}
	if d := time.Duration(after.Opened - before.Opened).Abs(); d > time.Millisecond {
		t.Errorf("opened at %d, before at %d", after.Opened, before.Opened)
	}
	s.knock(gateway, "7000", "8000", "9000")
	d.wait(client + ": door: already open, lease renewed for 600 s")
	if renewed := d.lease("door", client); renewed.Left <= after.Left {
		t.Errorf("renewed, %v are left, before %v", renewed.Left, after.Left)
	}
	d.shut(1)
	d.awaitShut()
	s.await("begin opened close shut")
	s.wantFriends()
}

// A stop command that was under way is run once more.
func TestKilledDuringStop(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the door open")
	for name, lease := range map[string]int{"at the end of the lease": 1, "by hand": 600} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSteps(t, lease)
			s.start.open()
			d := s.serve(s.text)
			d.open("door", doc(1), "opened")
			s.await("begin opened")
			if lease > 1 {
				d.awaitOpen(1)
				d.shut(1)
			}
			s.await("begin opened close")
			d.kill()
			s.wantFriends(doc(1))
			d = d.again()
			d.wait("1 doors are open from before, 1 of them overdue")
			s.await("begin opened close close")
			s.stop.open()
			d.awaitShut()
			s.await("begin opened close close shut shut")
			s.wantFriends()
		})
	}
}

// What a door's section says now, or that it is gone, changes nothing for a
// lease that was recorded.
func TestRecordedStopRuns(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it leaves the door open")
	for name, change := range map[string]func(string) string{
		"renamed": strings.NewReplacer("[door]", "[gate]").Replace,
		"removed": func(string) string { return "" },
		"changed": strings.NewReplacer("stop_command = ", "stop_command = exit 1; ").Replace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSteps(t, 1)
			s.start.open()
			s.stop.open()
			d := s.serve(s.text)
			d.open("door", doc(1), "opened")
			s.await("begin opened")
			d.kill()
			s.config(underTest(t), change(s.text))
			d = d.again()
			d.wait(doc(1) + ": door: command timeout")
			d.awaitShut()
			s.await("begin opened close shut")
			s.wantFriends()
			d.want("non-zero", 0)
		})
	}
}

package exec

import (
	"testing"
	"time"

	"sesame/matcher"
)

// TestView looks at a lease in each of its states.
func TestView(t *testing.T) {
	r := newRig(t, DefaultOpen)
	if _, next := r.l.View(0); next != -1 {
		t.Error("View shows a lease where there is none")
	}
	r.l.StopRetries = 1
	gate := fifo(t)
	d := sshDoor("read x < "+gate, "read x < "+gate+"; false")
	r.l.Open(r.at(), d, carol)
	opened := r.wall
	state := func(name string, until matcher.Time, tries int) {
		t.Helper()
		want := View{Door: "ssh", Src: carol, State: name, Opened: opened, Until: until, Tries: tries}
		if v := r.only(); v != want {
			t.Fatalf("%+v, want %+v", v, want)
		}
	}
	state("opening", matcher.Never, 0)
	r.pass(time.Second)
	release(t, gate)
	r.idle()
	state("open", r.now.Add(30*time.Second), 0)
	r.pass(10 * time.Second)
	r.l.Open(r.at(), d, carol)
	state("open", r.now.Add(30*time.Second), 0)
	r.pass(30*time.Second + late)
	state("closing", matcher.Never, 0)
	release(t, gate)
	r.idle()
	state("retrying", r.now.Add(time.Second), 1)
	r.pass(time.Second + late)
	state("closing", matcher.Never, 1)
	release(t, gate)
	r.idle()
	state("stuck", matcher.Never, 2)
	r.l.leases[0].state = adopted
	state("opening", matcher.Never, 2)
	r.l.leases[0].state = stuck
}

// TestViewAll checks that View shows every lease once and nothing in between.
func TestViewAll(t *testing.T) {
	r := newRig(t, DefaultOpen)
	d := sshDoor("true", "true")
	for i := range 20 {
		r.l.Open(r.at(), d, source(i))
	}
	r.idle()
	for i := range 20 {
		if i%3 == 0 {
			r.l.Shut(r.at(), "", source(i))
		}
	}
	r.idle()
	seen := map[matcher.Addr]int{}
	for _, v := range r.views() {
		seen[v.Src]++
	}
	for i := range 20 {
		if want := min(i%3, 1); seen[source(i)] != want {
			t.Errorf("lease %d is shown %d times, want %d", i, seen[source(i)], want)
		}
	}
	if n := r.l.Len(); n != len(seen) {
		t.Errorf("Len is %d, View shows %d", n, len(seen))
	}
	if _, next := r.l.View(1000); next != -1 {
		t.Error("View shows a lease beyond the last")
	}
}

func TestShut(t *testing.T) {
	none := matcher.Addr{}
	for _, c := range []struct {
		door string
		src  matcher.Addr
		want []string
	}{
		{"ssh", none, []string{"ssh 192.0.2.7", "ssh 2001:db8::7"}},
		{"", alice, []string{"ssh 192.0.2.7", "web 192.0.2.7"}},
		{"web", alice, []string{"web 192.0.2.7"}},
		{"", none, []string{"ssh 192.0.2.7", "ssh 2001:db8::7", "web 192.0.2.7", "web 198.51.100.9"}},
		{"web", carol, nil},
		{"ftp", none, nil},
		{"", source(1), nil},
	} {
		r := newRig(t, DefaultOpen)
		web := sshDoor("true", "echo web %IP%")
		web.Name = "web"
		ssh := sshDoor("true", "echo ssh %IP%")
		r.l.Open(r.at(), ssh, alice)
		r.l.Open(r.at(), ssh, carol)
		r.l.Open(r.at(), web, alice)
		r.l.Open(r.at(), web, bob)
		r.idle()
		for range 2 { // those that are being shut count too
			if n := r.l.Shut(r.at(), c.door, c.src); n != len(c.want) {
				t.Errorf("%q %v: %d doors to shut, want %d", c.door, c.src.String(), n, len(c.want))
			}
		}
		r.idle()
		for _, line := range c.want {
			if n := r.count(line); n != 1 {
				t.Errorf("%q %v: %q ran %d times", c.door, c.src.String(), line, n)
			}
		}
		if n := r.l.Len(); n != 4-len(c.want) {
			t.Errorf("%q %v: %d leases left", c.door, c.src.String(), n)
		}
		for _, v := range r.views() {
			if v.State != "open" {
				t.Errorf("%q %v: %+v", c.door, c.src.String(), v)
			}
		}
	}
}

// TestShutStarting checks that a door is shut as soon as its start command has
// ended, unless its address knocks once more.
func TestShutStarting(t *testing.T) {
	for _, knock := range []bool{false, true} {
		r := newRig(t, DefaultOpen)
		gate := fifo(t)
		d := sshDoor("read x < "+gate, "echo shut")
		r.l.Open(r.at(), d, alice)
		if n := r.l.Shut(r.at(), "ssh", alice); n != 1 {
			t.Errorf("%d doors to shut", n)
		}
		if v := r.only(); v.State != "opening" {
			t.Errorf("%+v", v)
		}
		if knock && r.l.Open(r.at(), d, alice) != Queued {
			t.Error("the knock is not queued")
		}
		release(t, gate)
		r.idle()
		if n := r.count("shut"); n != 1-r.l.Len() || (n == 1) == knock {
			t.Errorf("shut %d times, %d leases, knocked meanwhile: %v", n, r.l.Len(), knock)
		}
	}
}

// TestShutStopping checks that shutting a door twice runs its stop command once,
// and that a knock between the two is forgotten.
func TestShutStopping(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	d := sshDoor("echo open", "read x < "+gate+"; echo shut")
	r.l.Open(r.at(), d, alice)
	r.idle()
	r.l.Shut(r.at(), "", alice)
	r.l.Open(r.at(), d, alice)
	if n := r.l.Shut(r.at(), "", alice); n != 1 {
		t.Errorf("%d doors to shut", n)
	}
	release(t, gate)
	r.idle()
	if r.count("open") != 1 || r.count("shut") != 1 || r.l.Len() != 0 {
		t.Errorf("%d leases, log %q", r.l.Len(), r.lines)
	}
}

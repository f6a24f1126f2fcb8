package exec

import (
	"testing"
	"time"
)

func TestMustBeAlone(t *testing.T) {
	for text, want := range map[string]bool{
		"ufw allow from %IP%": true, "/usr/sbin/ufw --force delete 1": true, "sleep 1; ufw": true, "(ufw status)": true,
		"": false, "iptables -I INPUT": false, "myufw allow": false, "ufw.sh": false, "ufw-extras": false,
		"my-ufw x && /usr/sbin/ufw y": true, "noufwufw": false,
	} {
		if got := mustBeAlone(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestUFWAlone runs commands of ufw, of two doors, starts and stops, one at a
// time, while others run beside them.
func TestUFWAlone(t *testing.T) {
	r := newRig(t, DefaultOpen)
	gate := fifo(t)
	ssh := sshDoor("read x < "+gate+"; : ufw; echo open %IP%", "read x < "+gate+"; : ufw; echo shut %IP%")
	web := sshDoor("read x < "+gate+"; : /sbin/ufw; echo web %IP%", "")
	web.Name = "web"
	other := sshDoor("echo other %IP%", "echo gone %IP%")
	for i := range 3 {
		r.l.Open(r.at(), ssh, source(i))
		r.l.Open(r.at(), web, source(i))
		r.l.Open(r.at(), other, source(i))
		r.wait("other " + source(i).String())
		if n := r.l.runner.alone; n != 1 {
			t.Fatalf("%d commands of ufw run", n)
		}
	}
	next := func(line string) {
		r.turns("a command to run", func() bool { return tryRelease(t, gate, "go") })
		r.wait(line)
	}
	for i := range 3 {
		next("open " + source(i).String())
		next("web " + source(i).String())
	}
	r.idle()
	r.pass(31 * time.Second)
	for left := 3; left > 0; left-- { // in no particular order
		r.turns("a command to run", func() bool { return tryRelease(t, gate, "go") })
		r.turns("a door to shut", func() bool { return r.l.Len() < left })
	}
	if n := r.l.runner.alone; n != 0 {
		t.Errorf("%d commands of ufw are said to run", n)
	}
}

package e2e_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/suite"
)

// state is what a demo could leave behind on the machine that it runs on.
func (l *lab) state() string {
	l.t.Helper()
	procs, err := l.gw.Processes()
	if err != nil {
		l.t.Fatal(err)
	}
	var b strings.Builder
	for _, line := range procs {
		b.WriteString(line + "\n")
	}
	// Namespaces outlive their processes only as mounts. The listing has
	// fresh numbers where a command like this one appears in it.
	b.WriteString(l.run("sh", "-c", `
		cat /proc/self/mountinfo
		ip -o link; ip -o addr; ip rule
		nft list ruleset
		find /tmp /run /etc/ufw /etc/default /var/lib /dev ! -type d 2>/dev/null | sort`))
	return b.String()
}

func TestDemo(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no demo")
	users := map[string][]string{
		"root":   nil,
		"nobody": {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"},
	}
	for name, as := range users {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite.Need(t, "setpriv", "nft")
			d := underTest(t)
			l := newLab(t)
			if name != "root" && l.gw.Run(as[0], append(as[1:], "unshare", "-Urn", "true")...) != nil {
				suite.Skip(t, "the kernel forbids user namespaces")
			}
			// A /tmp of its own, because other tests write to the machine's.
			const here = "/run/sesame"
			l.run("cp", d.path, here)
			l.run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
			l.demo(append(as, here, "demo"))
		})
	}
}

// demo runs the demo and looks at what it shows and leaves.
func (l *lab) demo(args []string) {
	t := l.t
	t.Helper()
	before := l.state()
	began := time.Now()
	p := l.spawn(l.gw, args[0], args[1:]...)
	code := p.exit()
	took := time.Since(began)
	out := strings.Join(p.Lines(), "\n")
	t.Logf("took %v:\n%s", took.Round(time.Millisecond), out)
	if code != 0 {
		t.Errorf("exit status %d, want 0", code)
	}
	if took > 10*time.Second {
		t.Errorf("took %v, want less than 10 s", took)
	}
	for _, want := range []string{"listening on lo", "Stage 1", "OPEN SESAME", "running command", "command timeout"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	lines := make(map[string]int)
	for line := range strings.Lines(before) {
		lines[line]--
	}
	for line := range strings.Lines(l.state()) {
		lines[line]++
	}
	for line, n := range lines {
		if n != 0 {
			t.Errorf("the demo changed the machine (%+d): %s", n, line)
		}
	}
}

// Where user namespaces are used up or forbidden, the demo names the knob.
func TestDemoWithoutUserNamespaces(t *testing.T) {
	t.Parallel()
	sesameOnly(t, "it has no demo")
	suite.NeedRoot(t)
	suite.Need(t, "setpriv")
	d := underTest(t)
	cmd := exec.Command("sh", "-c", `echo 0 > /proc/sys/user/max_user_namespaces &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" demo`, d.path)
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER, // the limit is one of the user namespace
		UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
		Pdeathsig: syscall.SIGKILL,
	}
	code, out := finish(t, cmd)
	if code != 1 || !strings.Contains(out, "user.max_user_namespaces") {
		t.Errorf("exit status %d, want 1 and the sysctl's name; printed:\n%s", code, out)
	}
}

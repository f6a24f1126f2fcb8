package packaging_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

// sandbox is what of a unit can be had without systemd: mounts, capabilities
// and no_new_privs. The filter of system calls cannot.
type sandbox struct {
	caps     []string // as in the unit
	readOnly []string
	writable []string
}

func newSandbox(t *testing.T, u unit) sandbox {
	t.Helper()
	b := sandbox{caps: strings.Fields(u.one(t, "CapabilityBoundingSet"))}
	// As in systemd.exec(5).
	for key, dirs := range map[string]map[string][]string{
		"ProtectSystem": {"full": {"/usr", "/boot", "/efi", "/etc"}},
		"ProtectHome":   {"read-only": {"/home", "/root", "/run/user"}},
	} {
		list, ok := dirs[u.one(t, key)]
		if !ok {
			t.Fatalf("this test does not know %s=%s", key, u.one(t, key))
		}
		b.readOnly = append(b.readOnly, list...)
	}
	for path := range strings.FieldsSeq(u.one(t, "ReadWritePaths")) {
		b.writable = append(b.writable, strings.TrimPrefix(path, "-"))
	}
	if u.one(t, "NoNewPrivileges") != "yes" {
		t.Fatal("this test runs with NoNewPrivileges=yes")
	}
	return b
}

// enter makes the mounts and becomes the program. Its arguments are the
// capabilities, the directories in two lists, and the program with its own.
const enter = `
set -e
caps=$1 readonly=$2 writable=$3
shift 3
for dir in $readonly; do
	[ -d $dir ] || continue
	mount --rbind $dir $dir
	while read -r _ _ _ _ at _; do
		case $at in
		$dir | $dir/*) mount -o remount,bind,ro "$at" ;;
		esac
	done </proc/self/mountinfo
done
for path in $writable; do
	[ -e $path ] || continue
	mount --bind $path $path
	mount -o remount,bind,rw $path
done
exec setpriv --bounding-set "$caps" --inh-caps=-all --no-new-privs -- "$@"
`

// command returns a command that runs in the sandbox.
func (b sandbox) command(s *netns.Space, name string, args ...string) *exec.Cmd {
	caps := "-all"
	for _, c := range b.caps {
		caps += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
	}
	return s.Command("unshare", append([]string{"-m", "sh", "-c", enter, "sh", caps,
		strings.Join(b.readOnly, " "), strings.Join(b.writable, " "), name}, args...)...)
}

// doors are for the tools that people use. %IP% is 192.0.2.7.
var doors = []struct {
	name, start, stop string
	list              string // a command that shows the rule
}{
	{
		"iptables",
		"iptables -w -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "iptables -w -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
		"iptables -S INPUT",
	}, {
		"nft",
		"nft add element inet gate friends { %IP% }", "nft delete element inet gate friends { %IP% }",
		"nft list set inet gate friends",
	}, {
		"ufw",
		"ufw allow from %IP% to any port 22 proto tcp", "ufw delete allow from %IP% to any port 22 proto tcp",
		"ufw status",
	},
}

// firewall sets up a firewall for each of the doors.
func firewall(t *testing.T, s *netns.Space) {
	t.Helper()
	suite.Need(t, "iptables", "nft", "ufw")
	for _, line := range []string{
		"ufw --force reset", "ufw allow in on lo", "ufw --force enable",
		"nft add table inet gate", "nft add set inet gate friends '{ type ipv4_addr; }'",
	} {
		if err := s.Run("sh", "-c", line); err != nil {
			t.Fatal(err)
		}
	}
}

func buildSesame(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sesame")
	build := exec.Command("go", "build", "-o", path, "sesame")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build sesame: %v: %s", err, out)
	}
	return path
}

// TestFirewallsWorkInTheSandbox opens and shuts a door with each firewall, from
// a daemon that may do what the unit lets it.
func TestFirewallsWorkInTheSandbox(t *testing.T) {
	suite.Need(t, "unshare", "setpriv")
	s := newSpace(t)
	firewall(t, s)
	sesame := buildSesame(t)
	conf := filepath.Join(t.TempDir(), "knockd.conf")
	var text strings.Builder
	for i, d := range doors {
		fmt.Fprintf(&text, "[%s]\n\tsequence = %d,9000,8000\n\tstart_command = %s && echo %s done\n\tcmd_timeout = 600\n\tstop_command = %s\n",
			d.name, 7000+i, d.start, d.name, d.stop)
	}
	if err := os.WriteFile(conf, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newSandbox(t, readUnit(t, unitFile))
	// The directories are the daemon's own, as systemd would make them.
	cmd := b.command(s, sesame, "-i", "lo", "-c", conf)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "STATE_DIRECTORY=") || strings.HasPrefix(e, "RUNTIME_DIRECTORY=")
	})
	daemon, err := netns.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(daemon.Kill)
	wait := func(line string) {
		t.Helper()
		if err := daemon.Wait(line, func(l string) bool { return l == line }, 1, 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	wait("starting up, listening on lo")
	list := func(command string) bool {
		t.Helper()
		out, err := s.Output("sh", "-c", command)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(out, "192.0.2.7")
	}
	for _, d := range doors {
		if err := s.Run(sesame, "open", d.name, "192.0.2.7"); err != nil {
			t.Fatal(err)
		}
		wait(d.name + " done")
		if !list(d.list) {
			t.Errorf("%s: the rule is not there after the start command", d.name)
		}
		if err := s.Run(sesame, "close", d.name); err != nil {
			t.Errorf("%s: %v; the log:\n%s", d.name, err, strings.Join(daemon.Lines(), "\n"))
		}
		if list(d.list) {
			t.Errorf("%s: the rule is still there after the stop command", d.name)
		}
	}
	// What it says at the start and the end would show a directory that it
	// cannot use.
	if err := daemon.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status, err := daemon.Exit(netns.Deadline); err != nil || status != 0 {
		t.Errorf("exit status %d, %v", status, err)
	}
	for _, line := range daemon.Lines() {
		if regexp.MustCompile(`non-zero|ermission|permitted|writable|read-only|warning|WARN`).MatchString(line) {
			t.Error(line)
		}
	}
}

// TestSandboxIsNoWider takes each freedom away that the unit grants and looks
// for the program that then fails: what fails none is not needed.
func TestSandboxIsNoWider(t *testing.T) {
	suite.Need(t, "unshare", "setpriv")
	s := newSpace(t)
	firewall(t, s)
	sesame := buildSesame(t)
	conf := filepath.Join(t.TempDir(), "knockd.conf")
	if err := os.WriteFile(conf, []byte("[door]\nsequence = 7000,9000,8000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	whole := newSandbox(t, readUnit(t, unitFile))
	fails := func(why string, b sandbox, want, name string, args ...string) {
		t.Helper()
		out, err := b.command(s, name, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s, %s %s: %v, want %q:\n%s", why, name, strings.Join(args, " "), err, want, out)
		}
	}
	for i, c := range whole.caps {
		b := whole
		b.caps = slices.Delete(slices.Clone(whole.caps), i, i+1)
		switch c {
		case "CAP_NET_RAW":
			fails("without "+c, b, "CAP_NET_RAW", sesame, "-i", "lo", "-c", conf)
		case "CAP_NET_ADMIN":
			fails("without "+c, b, "not permitted", "nft", "add", "element", "inet", "gate", "friends", "{ 192.0.2.7 }")
		default:
			t.Errorf("nothing is known to need %s", c)
		}
	}
	b := whole
	b.writable = nil
	fails("without ReadWritePaths", b, "not writable", "ufw", "allow", "from", "192.0.2.7")
	for _, dir := range []string{"/etc", "/usr", "/root"} {
		fails("in the sandbox", whole, "", "test", "-w", dir)
	}
}

package packaging_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sesame/e2e/netns"
	"sesame/e2e/suite"
)

const (
	unitFile   = "systemd/sesame.service"
	dropInFile = "systemd/knockd.service.d/sesame.conf"

	// binary is where the units expect the daemon.
	binary = "/usr/local/sbin/sesame"

	// maxExposure is the most that systemd's judge may find, from 0 to 10. It
	// was 3.0 with systemd 252; later releases may weigh differently.
	maxExposure = 3.3
)

func TestMain(m *testing.M) {
	netns.Main()
	os.Exit(m.Run())
}

// unit holds the values of each key, in order. Sections do not matter, as no
// key is in two.
type unit map[string][]string

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	u := unit{}
	for line := range strings.Lines(read(t, path)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one returns the value of a key that must be there once.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s is there %d times, want 1: %q", key, len(u[key]), u[key])
	}
	return u[key][0]
}

// TestUnitsFitTheDaemon compares the units with what the daemon relies on.
func TestUnitsFitTheDaemon(t *testing.T) {
	state, daemon := read(t, "../state.go"), read(t, "../daemon.go")
	m := regexp.MustCompile(`(?m)^\tcloseTime = (\d+) \* time\.Second$`).FindStringSubmatch(daemon)
	if m == nil {
		t.Fatal("closeTime was not found in ../daemon.go")
	}
	closeTime, _ := strconv.Atoi(m[1])
	for _, path := range []string{unitFile, dropInFile} {
		u := readUnit(t, path)
		for key, dir := range map[string]string{"StateDirectory": "/var/lib/", "RuntimeDirectory": "/run/"} {
			if name := u.one(t, key); !strings.Contains(state, strconv.Quote(dir+name)) {
				t.Errorf("%s: %s=%s, which is not where the daemon looks", path, key, name)
			}
		}
		if stop, err := strconv.Atoi(u.one(t, "TimeoutStopSec")); err != nil || stop <= closeTime {
			t.Errorf("%s: TimeoutStopSec=%s, want more than the %d s in which doors are shut", path, u.one(t, "TimeoutStopSec"), closeTime)
		}
		if got := u.one(t, "Restart"); got != "on-failure" {
			t.Errorf("%s: Restart=%s, but kill -9 must not leave doors open", path, got)
		}
		if starts := u["ExecStart"]; starts[len(starts)-1] != binary+" $KNOCKD_OPTS" {
			t.Errorf("%s: ExecStart=%q", path, starts)
		}
		for _, page := range regexp.MustCompile(`man:(\S+)\((\d)\)`).FindAllStringSubmatch(strings.Join(u["Documentation"], " "), -1) {
			if _, err := os.Stat("man/" + page[1] + "." + page[2]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	u := readUnit(t, unitFile)
	// With any other mode the daemon's commands are ended before it can shut
	// its doors with more of them.
	if got := u.one(t, "KillMode"); got != "mixed" {
		t.Errorf("KillMode=%s, want mixed", got)
	}
}

// knockdUnit is the part of Debian's knockd.service that matters to the
// drop-in, as strict as any release had it.
const knockdUnit = `[Unit]
Description=Port-Knock Daemon
[Service]
EnvironmentFile=-/etc/default/knockd
ExecStart=/usr/sbin/knockd $KNOCKD_OPTS
KillMode=mixed
SuccessExitStatus=0 2 15
ProtectSystem=full
CapabilityBoundingSet=CAP_NET_RAW CAP_NET_ADMIN CAP_SYS_MODULE
[Install]
WantedBy=multi-user.target
`

// TestUnitsVerify has systemd read the units, with a program that exists in the
// place of the daemon.
func TestUnitsVerify(t *testing.T) {
	suite.Need(t, "systemd-analyze")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	verify := func(service, dropIn string) string {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"sesame.service": service, "knockd.service": knockdUnit, "knockd.service.d/sesame.conf": dropIn,
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, binary, self)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("systemd-analyze", "verify", "--man=no",
			filepath.Join(dir, "sesame.service"), filepath.Join(dir, "knockd.service"))
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		// It also speaks of what else is wrong on the machine.
		var ours []string
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "sesame") || strings.Contains(line, "knockd") {
				ours = append(ours, line)
			}
		}
		return strings.Join(ours, "")
	}
	service, dropIn := read(t, unitFile), read(t, dropInFile)
	if out := verify(service, dropIn); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	// It must be able to tell.
	wrong := func(text string) string { return strings.Replace(text, "TimeoutStopSec", "TimeoutStopSek", 1) }
	if out := verify(wrong(service), dropIn); !strings.Contains(out, "TimeoutStopSek") {
		t.Errorf("a misspelt key of the unit was not found:\n%s", out)
	}
	if out := verify(service, wrong(dropIn)); !strings.Contains(out, "TimeoutStopSek") {
		t.Errorf("a misspelt key of the drop-in was not found:\n%s", out)
	}
}

// TestUnitIsStrict has systemd judge how much the service could do.
func TestUnitIsStrict(t *testing.T) {
	suite.Need(t, "systemd-analyze")
	// With --json it does not say the sum.
	cmd := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unitFile)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		suite.Skip(t, "systemd-analyze judges files since systemd 250")
	}
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+) `).FindStringSubmatch(string(out))
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	if exposure, err := strconv.ParseFloat(m[1], 64); err != nil || exposure > maxExposure {
		t.Errorf("exposure %s, want at most %.1f:\n%s", m[1], maxExposure, out)
	}
}

// newSpace makes a network namespace with its own /run, /var/lib, /etc/ufw and
// /etc/default.
func newSpace(t *testing.T) *netns.Space {
	t.Helper()
	if os.Geteuid() != 0 {
		suite.Skip(t, "needs root for namespaces")
	}
	suite.Need(t, "ip", "nsenter")
	s, err := netns.New()
	if errors.Is(err, syscall.EPERM) {
		suite.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestStartCondition runs the unit's condition with the files that there are.
func TestStartCondition(t *testing.T) {
	text := readUnit(t, unitFile).one(t, "ExecCondition")
	m := regexp.MustCompile(`^/bin/sh -c '([^'\\%]*)'$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("ExecCondition is not as this test can read it: %s", text)
	}
	script := strings.ReplaceAll(m[1], "$$", "$")
	s := newSpace(t)
	for _, test := range []struct {
		file, value string // value is what systemd makes of the file
		starts      bool
	}{
		{"", "", false},
		{"START_KNOCKD=0\n", "0", false},
		{"START_KNOCKD=1\n", "1", true},
		{"START_KNOCKD=yes\n", "yes", false},
		{"#START_KNOCKD=1\nKNOCKD_OPTS=\"-i eth1\"\n", "", false},
		{"no file", "", true},
	} {
		prepare := "cat > /etc/default/knockd"
		if test.file == "no file" {
			prepare = "rm -f /etc/default/knockd"
		}
		write := s.Command("sh", "-c", prepare)
		write.Stdin = strings.NewReader(test.file)
		if out, err := write.CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		run := s.Command("/bin/sh", "-c", script)
		run.Env = append(os.Environ(), "START_KNOCKD="+test.value)
		out, err := run.CombinedOutput()
		if (err == nil) != test.starts {
			t.Errorf("with the file %q: %v, want a start: %t", test.file, err, test.starts)
		}
		if err != nil && !strings.Contains(string(out), "START_KNOCKD=1") {
			t.Errorf("with the file %q the reason is not said: %s", test.file, out)
		}
	}
}

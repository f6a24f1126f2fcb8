// Package e2e_test runs the daemon as its users do: on a gateway, in a network
// namespace, with a real firewall, knocked on by knockd's own client from
// another namespace.
//
// The daemon under test is sesame, built here. With SESAME_E2E_DAEMON=knockd it
// is the packaged knockd instead, and the tests of what sesame does differently
// are skipped: that shows that the harness itself is right.
package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"sesame/e2e/netns"
)

// daemon is a knock daemon that a test can start.
type daemon struct {
	path    string
	options string // for the [options] section: log to the standard output
}

// What TestMain finds out once; not changed after that.
var (
	sesame    = daemon{}
	knockd    = daemon{path: "knockd", options: "logfile = /dev/stdout"}
	errSesame error // why sesame could not be built
)

func TestMain(m *testing.M) {
	netns.Main()
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	// The tests wait far more than they compute, so the number that runs at
	// once need not follow the number of processors.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "sesame-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Tests also start it as a user without rights.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := netns.OwnFiles(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sesame.path = filepath.Join(dir, "sesame")
	build := exec.Command("go", "build", "-gcflags=all=-l", "-gcflags=sesame/matcher=", "-gcflags=sesame/afpacket=", "-o", sesame.path, "sesame") // as packaging/cross.sh
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		errSesame = fmt.Errorf("build sesame: %w: %s", err, out)
	}
	return m.Run()
}

// underTest returns the daemon that the tests are about.
func underTest(t *testing.T) daemon {
	t.Helper()
	if testsKnockd() {
		need(t, "knockd")
		return knockd
	}
	if errSesame != nil {
		t.Fatal(errSesame)
	}
	return sesame
}

func testsKnockd() bool { return os.Getenv("SESAME_E2E_DAEMON") == "knockd" }

// sesameOnly skips a test of what knockd is known not to do.
func sesameOnly(t *testing.T, why string) {
	t.Helper()
	if testsKnockd() {
		t.Skip("not knockd: " + why)
	}
}

// skip skips a test for something that the machine lacks. Where nothing may be
// lacking, that is a failure.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// need skips the test when a program is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is not installed; make test installs it")
		}
	}
}

// needRoot skips the test when namespaces cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root for network namespaces")
	}
}

// denied reports whether err is for lack of a permission.
func denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

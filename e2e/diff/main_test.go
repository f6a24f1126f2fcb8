// Package diff_test runs the packaged knockd and sesame side by side, on the
// same interface and with the same doors, and sends every packet once: both
// hear exactly the same. What they log and what their commands write must be
// the same as well, but for the differences that a scenario names; these must
// be there, in the form that it says.
//
// The scenarios are also the text of docs/knockd.md. After a change of them,
// write it anew with
//
//	go test ./e2e/diff -run TestDocument -update
package diff_test

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

var update = flag.Bool("update", false, "write docs/knockd.md anew instead of comparing it")

// What TestMain finds out once; not changed after that.
var (
	sesamePath string
	errSesame  error // why sesame could not be built
)

func TestMain(m *testing.M) {
	netns.Main()
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	// The tests wait far more than they compute.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "sesame-diff")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // one scenario is about a user without rights
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sesamePath = filepath.Join(dir, "sesame")
	build := exec.Command("go", "build", "-gcflags=all=-l", "-gcflags=sesame/matcher=", "-gcflags=sesame/afpacket=", "-o", sesamePath, "sesame") // as packaging/cross.sh
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		errSesame = fmt.Errorf("build sesame: %w: %s", err, out)
	}
	return m.Run()
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

// need skips the test where namespaces cannot be made or knockd is missing.
func need(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root for network namespaces")
	}
	for _, p := range []string{"knockd", "ip", "nsenter", "unshare", "setpriv"} {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is not installed; make setup installs it")
		}
	}
	if errSesame != nil {
		t.Fatal(errSesame)
	}
}

// denied reports whether err is for lack of a permission.
func denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

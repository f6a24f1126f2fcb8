// Package knock_test runs the client as its users do: without rights, in a
// network namespace, against gateways that drop, refuse or accept, and against
// the doors of sesame and of the packaged knockd. What is on the wire is read
// from a packet socket on the gateway.
package knock_test

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

// What TestMain finds out once; not changed after that.
var (
	clientPath, daemonPath string
	errBuild               error // why one of them could not be built
)

func TestMain(m *testing.M) {
	netns.Main()
	role()
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
	dir, err := os.MkdirTemp("", "sesame-knock")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the client runs as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := netns.OwnFiles(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	daemonPath = filepath.Join(dir, "sesame")
	errBuild = build(daemonPath, "sesame", "linux", "-gcflags=std=-l") // as packaging/cross.sh
	if errBuild == nil {
		clientPath = filepath.Join(dir, "knock")
		errBuild = build(clientPath, "sesame/knock", "linux")
	}
	return m.Run()
}

// build builds a package as the releases are built.
func build(path, name, system string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), name)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return nil
}

// skip skips a test for something that the machine lacks. Where nothing may be
// lacking, that is a failure.
func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// need skips the test when a program is not installed.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is not installed; make setup installs it")
		}
	}
}

// denied reports whether err is for lack of a permission.
func denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

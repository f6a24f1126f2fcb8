// Package suite is what the test programs that run whole daemons have in common:
// how they begin, how they build what they test, and what they may skip.
package suite

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Main runs the tests of m with a folder that setup has filled, and removes it.
// It returns the exit status. The tests wait far more than they compute, so
// eight run at once unless the command line says otherwise, however few
// processors there are.
func Main(m *testing.M, setup func(dir string) error) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "sesame-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Tests also start what is in it as users without rights.
	err = os.Chmod(dir, 0o755)
	if err == nil {
		err = setup(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// BuildDaemon builds sesame as packaging/cross.sh does, with further arguments
// of go build and in an environment with env added.
func BuildDaemon(path string, args, env []string) error {
	return Build(path, "sesame", append([]string{
		"-trimpath", "-gcflags=all=-l", "-gcflags=sesame/matcher=", "-gcflags=sesame/afpacket=",
	}, args...), env)
}

// Build builds a package without cgo, in an environment with env added.
func Build(path, name string, args, env []string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, args...), name)...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return nil
}

// Skip skips a test for something that the machine lacks. Where nothing may be
// lacking, that is a failure.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// Need skips the test when a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			Skip(t, p+" is not installed; make setup installs it")
		}
	}
}

// NeedRoot skips the test when namespaces cannot be made.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root for network namespaces")
	}
}

// Denied reports whether err is for lack of a permission.
func Denied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

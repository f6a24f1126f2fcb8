package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func crossHas(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// crossRun runs a command in the repository and returns what it printed to
// stdout; a failure ends the test with all of the output.
func crossRun(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Dir = ".."
	var out, all strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &all
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), all.String())
	}
	return strings.TrimSpace(out.String())
}

// crossBuildHost builds what make cross does. It does not take dist/, which may
// be of an older source.
func crossBuildHost(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "packaging/cross.sh", dir)
	cmd.Env = append(os.Environ(), "VERSION="+crossVersion, "XZ=")
	crossRun(t, cmd)
}

// crossImage is a container engine whose storage lives in a folder of the test.
type crossImage struct {
	dir string
}

const crossBase = "localhost/sesame-cross-base"

// newCrossImage makes a base image of busybox alone. Go is not in it: the
// host's tree, whose programs are static, is mounted for the build, which saves
// a copy of some hundred megabytes for each layer.
func newCrossImage(t *testing.T) *crossImage {
	t.Helper()
	c := &crossImage{dir: t.TempDir()}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(c.dir, "base")
	for _, dir := range []string{"bin", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range strings.Fields(crossRun(t, exec.CommandContext(t.Context(), busybox, "--list"))) {
		if applet == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	c.run(t, "from", "--pull-never", "--name", "base", "scratch")
	c.run(t, "copy", "-q", "base", root, "/")
	// Not /usr/local/go, so that the place of Go differs from the usual one.
	c.run(t, "config", "--env", "PATH=/opt/go/bin:/bin", "--env", "HOME=/tmp", "--env", "GOPATH=/go",
		"--env", "GOTOOLCHAIN=local", "--env", "GOPROXY=file:///goproxy", "--env", "GOSUMDB=off", "base")
	c.run(t, "commit", "-q", "base", crossBase)
	return c
}

// buildDockerfile builds Dockerfile.cross into out, with the modules from the
// host's module cache.
func (c *crossImage) buildDockerfile(t *testing.T, out string) {
	t.Helper()
	crossRun(t, exec.CommandContext(t.Context(), "go", "mod", "download"))
	goroot := crossRun(t, exec.CommandContext(t.Context(), "go", "env", "GOROOT"))
	modules := crossRun(t, exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE"))
	c.run(t, "bud", "--isolation", "chroot", "--pull-never", "-f", "Dockerfile.cross",
		"--build-arg", "GO_IMAGE="+crossBase, "--build-arg", "VERSION="+crossVersion,
		"-v", goroot+":/opt/go:ro", "-v", filepath.Join(modules, "cache/download")+":/goproxy:ro",
		"--output", "type=local,dest="+out, ".")
}

// run calls buildah in a network and a mount namespace of its own: the first
// has no network, which shows that the build needs none, and the second lets
// nothing outlive the call: no mount, and no cache under /var/lib, which buildah
// writes there whatever its --root is.
func (c *crossImage) run(t *testing.T, args ...string) {
	t.Helper()
	conf := filepath.Join(c.dir, "containers.conf")
	text := fmt.Sprintf("[network]\nnetwork_config_dir = %q\n", filepath.Join(c.dir, "networks"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(c.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	buildah := []string{"buildah", "--root", filepath.Join(c.dir, "root"),
		"--runroot", filepath.Join(c.dir, "run"), "--storage-driver", "vfs"}
	// busybox's mount, because the other one keeps notes under /run.
	const script = `busybox mount -t tmpfs none /var/lib && exec "$@"`
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, append(buildah, args...)...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+conf, "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	crossRun(t, cmd)
}

package netns

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// holder keeps the namespaces that it was started in until its standard input
// ends. It is process 1 there, so it reaps what others leave.
func holder() error {
	if err := privateMounts(); err != nil {
		return err
	}
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	go func() {
		for range child {
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}()
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// privateMounts replaces what the programs under test write to, so that
// neither they nor a firewall tool can reach the machine's own files.
func privateMounts() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := tmpfs("/run"); err != nil {
		return err
	}
	for _, dir := range []string{"/etc/ufw", "/etc/default", "/var/lib/ufw"} {
		if err := privateCopy(dir); err != nil {
			return err
		}
	}
	if err := privateState(); err != nil {
		return err
	}
	return privateDev()
}

func tmpfs(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	return nil
}

// privateCopy puts a copy of dir over dir; a dir that is not there is fine.
func privateCopy(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	store := filepath.Join("/run/copies", dir)
	if err := os.MkdirAll(filepath.Dir(store), 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", dir, store).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", dir, err, out)
	}
	return bind(store, dir)
}

func bind(from, to string) error {
	if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s over %s: %w", from, to, err)
	}
	return nil
}

// privateState empties /var/lib, where a daemon keeps its state, but for ufw's.
func privateState() error {
	if err := tmpfs("/var/lib"); err != nil {
		return err
	}
	const ufw = "/run/copies/var/lib/ufw"
	if _, err := os.Stat(ufw); err != nil {
		return nil
	}
	if err := os.Mkdir("/var/lib/ufw", 0o755); err != nil {
		return err
	}
	return bind(ufw, "/var/lib/ufw")
}

// privateDev mounts a /dev in which a test can make its own log socket. The
// device numbers are those of the kernel's list of allocated devices.
func privateDev() error {
	if err := tmpfs("/dev"); err != nil {
		return err
	}
	umask := syscall.Umask(0)
	defer syscall.Umask(umask)
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := syscall.Mknod("/dev/"+name, syscall.S_IFCHR|0o666, 1<<8|minor); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	for name, target := range map[string]string{"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"} {
		if err := os.Symlink("/proc/self/fd"+target, "/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

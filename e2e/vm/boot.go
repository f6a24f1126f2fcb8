package vm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Machine is what to boot.
type Machine struct {
	Kernel    []byte
	Initramfs []byte
	Memory    int    // MB
	Words     string // for /proc/cmdline
}

// Boot runs the machine until it switches itself off or ctx ends, and hands
// each line of its console to line. It has no network. The emulator is ended
// with the process that called.
func (m *Machine) Boot(ctx context.Context, line func(string)) error {
	dir, err := os.MkdirTemp("", "sesame-vm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kernel, initramfs := filepath.Join(dir, "kernel"), filepath.Join(dir, "initramfs")
	for name, content := range map[string][]byte{kernel: m.Kernel, initramfs: m.Initramfs} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return err
		}
	}
	// The one signal for the death of a parent is for that of its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max",
		"-m", fmt.Sprint(m.Memory), "-smp", "2", "-kernel", kernel, "-initrd", initramfs,
		"-append", "console=ttyS0 quiet panic=-1 "+m.Words, "-vga", "none", "-nographic", "-no-reboot", "-nic", "none")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the emulator: %w (make vm-test installs it)", err)
	}
	read := readLines(out, line)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("the machine was ended: %w", context.Cause(ctx))
	}
	if err == nil {
		err = read
	}
	return err
}

// readLines hands on lines without what a terminal adds to them.
func readLines(r io.Reader, line func(string)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line(strings.TrimRight(s.Text(), "\r"))
	}
	return s.Err()
}

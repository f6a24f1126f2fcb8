//go:build linux

// Command guest is process 1 of the virtual machine that package vm boots. For
// each kind of link it makes two network namespaces with the link between them,
// has sesame listen on one side and knocks on the other, and prints what
// vm.Console reads. The test looks for the names of the kinds below.
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	fmt.Println() // after what the firmware left on its last line
	if err := boot(); err != nil {
		fmt.Println("vm: cannot begin:", err)
	} else {
		for _, k := range kinds {
			if !wanted(k.name) {
				continue
			}
			fmt.Println("vm: run", k.name)
			for _, fault := range k.test() {
				fmt.Println("vm: fault", fault)
			}
			fmt.Println("vm: end", k.name)
		}
		fmt.Println("vm: done")
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		panic(err) // which reboots; the emulator ends then
	}
}

// boot makes of a kernel and files what programs expect to find.
func boot() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/group": "root:x:0:\n", "/etc/hosts": "127.0.0.1 localhost\n",
		"/etc/ppp/options": pppOptions, "/etc/ppp/pppoe-server-options": "logfile " + serverLog + "\n",
		"/etc/knockd.conf": doors, "/var/run/.keep": "", "/var/log/.keep": "",
	} {
		if err := os.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Setenv("PATH", "/bin"); err != nil {
		return err
	}
	return loadModules()
}

// loadModules loads those that the file /modules lists, in its order.
func loadModules() error {
	list, err := os.ReadFile("/modules")
	if err != nil {
		return err
	}
	for name := range bytes.FieldsSeq(list) {
		content, err := os.ReadFile(string(name))
		if err != nil {
			return err
		}
		// What this processor cannot, a kind will miss, or nobody.
		if err := unix.InitModule(content, ""); err != nil && err != unix.EEXIST {
			fmt.Printf("load %s: %v\n", name, err)
		}
	}
	return nil
}

// wanted reports whether the kernel's command line has the kind in its list.
func wanted(name string) bool {
	line, _ := os.ReadFile("/proc/cmdline")
	for word := range bytes.FieldsSeq(line) {
		if list, ok := bytes.CutPrefix(word, []byte("vm.links=")); ok {
			return slices.Contains(strings.Split(string(list), ","), name)
		}
	}
	return true
}

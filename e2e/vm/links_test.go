//go:build vm

package vm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sesame/e2e/suite"
)

// bootTime bounds the machine, with all that it tests.
const bootTime = 10 * time.Minute

// packages hold the kernel and the programs of the guest.
var packages = []string{"linux-image-amd64", "iproute2", "ppp", "pppoe", "wireguard-tools", "busybox-static"}

// programs are what the guest runs, with where the packages have them.
var programs = map[string]string{
	"/bin/ip":           "*bin/ip",
	"/bin/wg":           "*bin/wg",
	"/bin/pppd":         "*bin/pppd",
	"/bin/pppoe-server": "*bin/pppoe-server",
	"/bin/pppoe":        "*bin/pppoe",
	"/bin/sh":           "*bin/busybox", // which pppd has start pppoe
	"/lib/pppoe.so":     "*/pppoe.so",
}

var modules = []string{
	"veth", "8021q", "ppp_generic", "ppp_async", "pppox", "pppoe", "crc-ccitt", "wireguard",
	"ip_gre", "ip6_gre", "sit", "ipip", "ip6_tunnel", "vxlan", "bridge", "bonding", "macvlan", "ipvlan", "tun",
}

// links are the kinds that the guest makes.
var links = []string{
	"vlan", "qinq", "pppoe", "ppp", "wireguard", "gre", "gretap", "ip6gre", "sit", "ipip", "ip6tnl", "vxlan",
	"bridge", "bond", "macvlan", "ipvlan", "tun", "venet", "rawip",
}

// only are the kinds to test, with commas between them: VM_LINKS, or all.
func only() []string {
	if list := os.Getenv("VM_LINKS"); list != "" {
		return strings.Split(list, ",")
	}
	return links
}

// TestLinks knocks through each kind of link, over IPv4 and IPv6 where the link
// carries it: on a daemon that waits for this link and on one that listens on
// any; and once more after the link was made again with its name.
func TestLinks(t *testing.T) {
	c := &Console{}
	ctx, cancel := context.WithTimeoutCause(t.Context(), bootTime, context.DeadlineExceeded)
	defer cancel()
	start := time.Now()
	err := machine(t).Boot(ctx, func(line string) {
		c.Line(line)
		if strings.HasPrefix(line, "vm: ") {
			t.Logf("%3.0f s: %s", time.Since(start).Seconds(), line)
		}
	})
	if err != nil || !c.Done {
		t.Errorf("the machine did not come to its end: %v; of no test:\n%s", err, strings.Join(c.Other, "\n"))
	}
	for _, name := range only() {
		t.Run(name, func(t *testing.T) {
			r := c.Results[name]
			if r == nil {
				t.Fatal("the machine did not come to this")
			}
			for _, fault := range r.Faults {
				t.Error(fault)
			}
			if !r.Ran {
				t.Error("this did not come to its end")
			}
			if t.Failed() {
				t.Log("console:\n" + strings.Join(r.Log, "\n"))
			}
		})
	}
	for name := range c.Results {
		if !slices.Contains(links, name) {
			t.Errorf("the machine has tested %s, which this test does not list", name)
		}
	}
}

// machine makes what is to be booted.
func machine(t *testing.T) *Machine {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	debs, err := Fetch(filepath.Join(cache, "sesame-vm"), packages)
	must(t, err)
	root := t.TempDir()
	must(t, Unpack(debs, root))
	r := NewInitramfs(root)
	for name, pattern := range programs {
		must(t, r.Program(name, pattern))
	}
	must(t, r.Modules(modules))
	r.File("/init", build(t, "sesame/e2e/vm/guest"))
	r.File("/bin/sesame", build(t, "sesame"))
	kernels, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	must(t, err)
	if len(kernels) != 1 {
		t.Fatalf("the packages have the kernels %q, want one", kernels)
	}
	kernel, err := os.ReadFile(kernels[0])
	must(t, err)
	content, err := r.Bytes()
	must(t, err)
	return &Machine{Kernel: kernel, Initramfs: content, Memory: 512, Words: "vm.links=" + strings.Join(only(), ",")}
}

// build builds a program for the guest.
func build(t *testing.T, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	args, env := []string{"-ldflags=-s -w"}, []string{"GOOS=linux", "GOARCH=amd64"}
	if name == "sesame" {
		must(t, suite.BuildDaemon(out, args, env))
	} else {
		must(t, suite.Build(out, name, args, env))
	}
	content, err := os.ReadFile(out)
	must(t, err)
	return content
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Package packaging_test checks what is installed beside the binary: the man
// pages against the code and against their own examples, and the systemd units
// with systemd's own judge and with real firewall tools.
package packaging_test

import (
	"os"
	"os/exec"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
			skip(t, p+" is not installed; make setup installs it")
		}
	}
}

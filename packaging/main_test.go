// Package packaging_test checks what is installed beside the binary: the man
// pages against the code and against their own examples, and the systemd units
// with systemd's own judge and with real firewall tools.
package packaging_test

import (
	"os"
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

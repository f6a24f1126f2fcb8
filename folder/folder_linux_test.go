package folder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestList lists more than one buffer holds.
func TestList(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 500 {
		name := fmt.Sprintf("a file of number %04d", i)
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := List(dir)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d names, want %d; %v", len(got), len(want), err)
	}
	if _, err := List(filepath.Join(dir, "none")); err != unix.ENOENT {
		t.Errorf("of no folder: %v", err)
	}
}

package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadme parses the configurations that the README shows, and looks for
// every key in its tables.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, block := range regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "sequence") {
			continue // a service file
		}
		examples++
		cfg, err := Parse(strings.NewReader(block[1]), "README.md", os.ReadFile)
		if err != nil {
			t.Error(err)
		} else if n := Check(new(strings.Builder), cfg, func(string) error { return nil }); n != 0 {
			t.Errorf("check has %d warnings for\n%s", n, block[1])
		}
	}
	if examples == 0 {
		t.Error("no example was found")
	}
	for _, k := range keyNames {
		if !strings.Contains(strings.ToLower(string(text)), "`"+k.name+"`") {
			t.Errorf("the key %s is not in the README", k.name)
		}
	}
}

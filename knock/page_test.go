package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sesame/e2e/suite"
)

const page = "packaging/man/knock.1"

func TestPageRenders(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		suite.Skip(t, "mandoc is not installed; make setup installs it")
	}
	if out, err := exec.Command("mandoc", "-Tlint", "-W", "warning", "../"+page).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEverythingIsDescribed looks for an entry of its own in the manual for
// every option and every key of a profile, and for none besides, and for each
// of them in the user's page.
func TestEverythingIsDescribed(t *testing.T) {
	manual, guide := read(t, page), read(t, "docs/knock.md")
	known := map[string]bool{}
	for _, f := range flagTable() {
		value := ""
		if f.value != "" {
			value = ` Ar ` + strings.ToLower(f.value)
		}
		head := `.It Fl -` + f.long + value
		if f.short != 0 {
			head = `.It Fl ` + string(rune(f.short)) + value + ` , Fl -` + f.long + value
		}
		known[head] = true
		if n := strings.Count(manual, "\n"+head+"\n"); n != 1 {
			t.Errorf("%s has %d lines %q, want 1", page, n, head)
		}
		if !strings.Contains(guide, "`--"+f.long) {
			t.Errorf("docs/knock.md does not say --%s", f.long)
		}
		if text := usage(); !strings.Contains(text, "--"+f.long) {
			t.Errorf("--help does not say --%s", f.long)
		}
	}
	for _, name := range keyNames {
		if n := len(regexp.MustCompile(`(?m)^\.It Cm `+name+` No = `).FindAllString(manual, -1)); n != 1 {
			t.Errorf("%s has %d entries for the key %s, want 1", page, n, name)
		}
		if !strings.Contains(guide, "| `"+name+"` |") {
			t.Errorf("docs/knock.md has no row for the key %s", name)
		}
	}
	for _, head := range regexp.MustCompile(`(?m)^\.It Fl .*$`).FindAllString(manual, -1) {
		if !known[head] {
			t.Errorf("%s describes what is no option: %s", page, head)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\.It Cm `).FindAllString(manual, -1)); n != int(numKeys) {
		t.Errorf("%s describes %d keys, the code has %d", page, n, numKeys)
	}
}

// TestFiguresAreTrue compares figures in the texts with those in the code.
func TestFiguresAreTrue(t *testing.T) {
	for name, text := range map[string]string{page: strings.ReplaceAll(read(t, page), "\n", " "), "docs/knock.md": strings.ReplaceAll(read(t, "docs/knock.md"), "\n", " ")} {
		for _, want := range []string{
			defaultDelay.String()[:2] + " ms", holdFirst.String()[:3] + " ms", holdNext.String()[:1] + " ms", map[string]string{"4s": "four seconds"}[round.String()],
		} {
			if want == "" || !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
	if !strings.Contains(read(t, page), "Default: "+defaultDelay.String()[:2]+".") || !strings.Contains(read(t, page), "Default: "+defaultTimeout.String()[:2]+".") {
		t.Errorf("%s does not say the defaults", page)
	}
}

// TestExamplesAreGood reads every profile that the texts show.
func TestExamplesAreGood(t *testing.T) {
	found := 0
	for _, block := range regexp.MustCompile("(?s)(?:\\.Bd -literal[^\n]*|```ini)\n(.*?)(?:\\.Ed|```)").FindAllStringSubmatch(read(t, page)+read(t, "docs/knock.md"), -1) {
		found++
		if list, err := parseProfiles(block[1], "example"); err != nil || len(list) == 0 {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
	if found < 2 {
		t.Errorf("%d profiles found in the texts, want 2", found)
	}
}

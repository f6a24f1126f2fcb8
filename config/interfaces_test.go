package config

import (
	"slices"
	"strings"
	"testing"
)

func TestParseInterfaces(t *testing.T) {
	for _, tt := range []struct {
		value, want string // names with blanks between; or
		reason      string // a part of it
	}{
		{"wan", "wan", ""},
		{"wan, wg0", "wan wg0", ""},
		{" wan\t,wg0 , ppp* ", "wan wg0 ppp*", ""},
		{"any", "any", ""},
		{"eth0:1", "eth0", ""},
		{"eth0.10,eth0@x", "eth0.10 eth0@x", ""},
		{"123456789012345", "123456789012345", ""},
		{"*12345678*9012345*", "*12345678*9012345*", ""},
		{"1234567890123456", "", "more than 15 characters"},
		{"1234567890123456*", "", "more than 15 characters"},
		{"", "", "a name is missing"},
		{"wan,", "", "a name is missing"},
		{",wan", "", "a name is missing"},
		{"wan,,wg0", "", "a name is missing"},
		{":1", "", "a name is missing"},
		{"wan wg0", "", `"wan wg0" cannot be the name of an interface; separate names by commas`},
		{"a/b", "", "cannot be the name"},
		{".", "", "cannot be the name"},
		{"..", "", "cannot be the name"},
		{"eth[0-3]", "", "only * and ?"},
		{"{a}", "", "only * and ?"},
	} {
		list, reason := ParseInterfaces(tt.value)
		if got := strings.Join(list, " "); got != tt.want || (reason == "") != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
			t.Errorf("%q: %q, %q; want %q, %q", tt.value, got, reason, tt.want, tt.reason)
		}
	}
}

// matchNaive is MatchInterface as it is defined.
func matchNaive(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return matchNaive(pattern[1:], name) || name != "" && matchNaive(pattern, name[1:])
	}
	return name != "" && (pattern[0] == '?' || pattern[0] == name[0]) && matchNaive(pattern[1:], name[1:])
}

// TestMatchInterface compares every short pattern with every short name.
func TestMatchInterface(t *testing.T) {
	words := func(alphabet string, most int) []string {
		all := []string{""}
		for from := 0; len(all[from]) < most; from++ {
			for _, r := range alphabet {
				all = append(all, all[from]+string(r))
			}
		}
		return all
	}
	patterns, names, matches := words("ab*?", 5), words("ab", 5), 0
	for _, p := range patterns {
		for _, n := range names {
			got := MatchInterface(p, n)
			if got != matchNaive(p, n) {
				t.Errorf("%q and %q: %v", p, n, got)
			}
			if got {
				matches++
			}
		}
	}
	if matches < len(names) {
		t.Errorf("%d matches", matches)
	}
	if p := strings.Repeat("*a", 10000); MatchInterface(p, "aaaaaaaaaaaaaaa") || !MatchInterface("ppp*", "ppp0") || MatchInterface("ppp*", "pppoe"[1:]) {
		t.Error("a pattern of many stars, or ppp*")
	}
}

func FuzzInterfaces(f *testing.F) {
	f.Add("wan, ppp*", "ppp0")
	f.Add("eth?,any,*", "eth0")
	f.Add("a/b,[x],eth0:1", "eth0")
	f.Fuzz(func(t *testing.T, value, name string) {
		list, reason := ParseInterfaces(value)
		if (reason == "") != (len(list) > 0) {
			t.Fatalf("%q and %q", list, reason)
		}
		again, _ := ParseInterfaces(strings.Join(list, ", "))
		if reason == "" && !slices.Equal(list, again) {
			t.Fatalf("%q, written out and read again: %q", list, again)
		}
		for _, p := range list {
			if len(p) < 20 && len(name) < 16 && strings.Count(p, "*") < 4 && MatchInterface(p, name) != matchNaive(p, name) {
				t.Fatalf("%q and %q", p, name)
			}
		}
	})
}

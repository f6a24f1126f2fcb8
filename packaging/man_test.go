package packaging_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sesame/config"
	"sesame/e2e/suite"
)

const (
	daemonPage = "man/sesame.8"
	configPage = "man/sesame.conf.5"
)

func TestPagesRender(t *testing.T) {
	suite.Need(t, "mandoc")
	for _, page := range []string{daemonPage, configPage} {
		if out, err := exec.Command("mandoc", "-Tlint", "-W", "warning", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc on %s: %v\n%s", page, err, out)
		}
		// Most users have man-db and groff instead.
		if exec.Command("man", "--help").Run() != nil || exec.Command("groff", "--version").Run() != nil {
			t.Log("man-db is not installed: not tried")
			continue
		}
		man := exec.Command("man", "--warnings", "-l", page)
		man.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANPAGER=cat")
		var warnings strings.Builder
		man.Stderr = &warnings
		if out, err := man.Output(); err != nil || warnings.Len() > 0 || !strings.Contains(string(out), "SEE ALSO") {
			t.Errorf("man on %s: %v\n%s", page, err, warnings.String())
		}
	}
}

// entry is an item of a list: one or more .It lines and what is said below them.
type entry struct {
	heads []string // without .It
	body  []string
}

// entries returns the items of all lists of a page. An item ends with the next
// one or with its list.
func entries(page string) (all []entry) {
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		last := len(all) - 1
		head, isHead := strings.CutPrefix(line, ".It ")
		switch {
		case isHead && last >= 0 && len(all[last].heads) > 0 && all[last].body == nil:
			all[last].heads = append(all[last].heads, head)
		case isHead:
			all = append(all, entry{heads: []string{head}})
		case line == ".El":
			all = append(all, entry{})
		case last >= 0:
			all[last].body = append(all[last].body, line)
		}
	}
	return slices.DeleteFunc(all, func(e entry) bool { return e.heads == nil })
}

// find returns the entry whose head matches, and how many do.
func find(all []entry, head *regexp.Regexp) (found entry, n int) {
	for _, e := range all {
		for _, h := range e.heads {
			if head.MatchString(h) {
				found = e
				n++
			}
		}
	}
	return found, n
}

// examples returns the .Dl lines of an entry as a user types them.
func (e entry) examples() (lines []string) {
	for _, line := range e.body {
		if text, ok := strings.CutPrefix(line, ".Dl "); ok {
			lines = append(lines, plain(text))
		}
	}
	return lines
}

// plain undoes roff's escapes.
func plain(text string) string {
	return strings.NewReplacer(`\-`, "-", `\&`, "", `\e`, `\`).Replace(text)
}

// keyNames returns the keys that the code knows, in the order of its table, and
// for each the constant that it stands for.
func keyNames(t *testing.T) (names, constants []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../config/keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "keyNames" {
			return true
		}
		for _, row := range spec.Values[0].(*ast.CompositeLit).Elts {
			cells := row.(*ast.CompositeLit).Elts
			name, err := strconv.Unquote(cells[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			constants = append(constants, cells[1].(*ast.Ident).Name)
		}
		return false
	})
	if len(names) < 20 {
		t.Fatalf("only %d keys found in ../config/keys.go: %q", len(names), names)
	}
	return names, constants
}

// defaults are what an entry must say besides the word, where the code has a
// name for it.
var defaults = map[string]string{
	"keyInterface":      config.DefaultInterface,
	"keyPidFile":        config.DefaultPidFile,
	"keyMaxOpen":        strconv.Itoa(config.DefaultMaxOpen),
	"keyMaxCommands":    strconv.Itoa(config.DefaultMaxCommands),
	"keyCommandTimeout": strconv.Itoa(int(config.DefaultStopTimeout.Seconds())),
	"keyStopRetries":    strconv.Itoa(config.DefaultStopRetries),
}

// TestEveryKeyIsDescribed looks for an entry of its own for every key, with the
// default and an example that the parser takes.
func TestEveryKeyIsDescribed(t *testing.T) {
	all := entries(read(t, configPage))
	names, constants := keyNames(t)
	said := map[string]bool{}
	for i, name := range names {
		e, n := find(all, regexp.MustCompile(`(?i)^Cm `+name+` = `))
		if n != 1 {
			t.Errorf("%s has %d entries for the key %s, want 1", configPage, n, name)
			continue
		}
		for _, h := range e.heads {
			said[strings.ToLower(strings.Fields(h)[1])] = true
		}
		body := strings.Join(e.body, "\n")
		_, after, found := strings.Cut(body, "Default:")
		if !found || !strings.Contains(after, defaults[constants[i]]) {
			t.Errorf("the entry of %s does not say its default %s:\n%s", name, defaults[constants[i]], body)
		}
		if len(e.examples()) == 0 {
			t.Errorf("the entry of %s has no example", name)
		}
		for _, line := range e.examples() {
			key, _, _ := strings.Cut(line, " ")
			at := slices.Index(names, strings.ToLower(key))
			if at < 0 || constants[at] != constants[i] {
				t.Errorf("the example of %s is one of another key: %s", name, line)
			}
			inOptions := "[options]\n" + line + "\n[door]\nsequence = 7000\n"
			inDoor := "[door]\nsequence = 7000,9000,8000\n" + line + "\n"
			if parse(inOptions) != nil && parse(inDoor) != nil {
				t.Errorf("the example of %s is no setting: %v; %v", name, parse(inOptions), parse(inDoor))
			}
		}
	}
	for _, e := range all {
		for _, h := range e.heads {
			if key, ok := strings.CutPrefix(h, "Cm "); ok && !slices.Contains(names, strings.ToLower(strings.Fields(key)[0])) {
				t.Errorf("%s describes %s, which is no key", configPage, key)
			}
		}
	}
	if len(said) != len(names) {
		t.Errorf("%d keys are described, the code has %d", len(said), len(names))
	}
}

// oneTime stands for every file that a configuration names.
func oneTime(string) ([]byte, error) { return []byte(" 1111,2222,1001\n"), nil }

func parse(text string) error {
	_, err := config.Parse(strings.NewReader(text), "example", oneTime)
	return err
}

// TestExamplesAreGood parses every configuration that the pages show, and
// checks it as sesame check does.
func TestExamplesAreGood(t *testing.T) {
	found := 0
	for _, block := range displays(read(t, configPage)) {
		if !regexp.MustCompile(`(?m)^\[`).MatchString(block) {
			continue // rules, sequences
		}
		found++
		cfg, err := config.Parse(strings.NewReader(block), configPage, oneTime)
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
			continue
		}
		var report strings.Builder
		if config.Check(&report, cfg, func(string) error { return nil }) != 0 {
			t.Errorf("%s\nfor\n%s", report.String(), block)
		}
	}
	if found < 6 {
		t.Errorf("%d configurations found, want those for ufw, iptables, nft, a game server, wake-on-LAN and one-time sequences", found)
	}
}

// displays returns the literal blocks of a page as a user types them.
func displays(page string) (blocks []string) {
	for _, m := range regexp.MustCompile(`(?s)\n\.Bd -literal[^\n]*\n(.*?)\n\.Ed\n`).FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, plain(m[1])+"\n")
	}
	return blocks
}

// TestEveryFlagIsDescribed takes the flags from the table that parses them, and
// from the text that -h prints.
func TestEveryFlagIsDescribed(t *testing.T) {
	source := read(t, "../flags.go")
	all := entries(read(t, daemonPage))
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\t\t\{(?:'(.)'|0), "([a-z0-9-]*)", `).FindAllStringSubmatch(source, -1) {
		found++
		var heads []string
		if m[1] != "" {
			heads = append(heads, `Fl `+m[1])
		}
		if m[2] != "" {
			heads = append(heads, `Fl -`+regexp.QuoteMeta(m[2]))
		}
		head := regexp.MustCompile(`^` + strings.Join(heads, `( Ar \w+)? , `) + `( Ar \w+)?$`)
		e, n := find(all, head)
		if n != 1 {
			t.Errorf("%s has %d entries for -%s --%s, want 1", daemonPage, n, m[1], m[2])
			continue
		}
		body := strings.Join(e.body, "\n")
		if m[2] != "" && m[2] != "help" && m[2] != "version" && !strings.Contains(body, "Default:") {
			t.Errorf("the entry of --%s does not say its default", m[2])
		}
		// What takes a value in the code takes one in the page.
		value := regexp.MustCompile(`"` + m[2] + `", nil, &`).MatchString(source)
		if m[2] != "" && value != strings.Contains(strings.Join(e.heads, " "), " Ar ") {
			t.Errorf("whether --%s takes a value is not what the entry says: %q", m[2], e.heads)
		}
	}
	if found < 14 {
		t.Errorf("only %d flags found in ../flags.go", found)
	}
	for _, m := range regexp.MustCompile(`--([a-z][a-z0-9-]+)`).FindAllStringSubmatch(source, -1) {
		if _, n := find(all, regexp.MustCompile(`^(Fl .+ , )?Fl -`+m[1]+`( |$)`)); n != 1 {
			t.Errorf("%s has %d entries for --%s, which -h prints, want 1", daemonPage, n, m[1])
		}
	}
}

// TestEverySubcommandIsDescribed takes them from the table that runs them.
func TestEverySubcommandIsDescribed(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "../main.go"), "\nvar subcommands = ")
	table, _, ok := strings.Cut(rest, "\n}\n")
	if !ok {
		t.Fatal("the table of subcommands was not found in ../main.go")
	}
	page := read(t, daemonPage)
	_, synopsis, _ := strings.Cut(page, ".Sh SYNOPSIS\n")
	synopsis, _, _ = strings.Cut(synopsis, ".Sh DESCRIPTION\n")
	all := entries(page)
	names := regexp.MustCompile(`(?m)^\t\{"([a-z]+)", `).FindAllStringSubmatch(table, -1)
	if len(names) < 5 {
		t.Errorf("only %d subcommands found in ../main.go", len(names))
	}
	for _, m := range names {
		if _, n := find(all, regexp.MustCompile(`^Cm `+m[1]+`\b`)); n != 1 {
			t.Errorf("%s has %d entries for the command %s, want 1", daemonPage, n, m[1])
		}
		if !regexp.MustCompile(`(?m)^\.Cm ` + m[1] + `$`).MatchString(synopsis) {
			t.Errorf("%s: the synopsis has no %s", daemonPage, m[1])
		}
	}
}

// TestEnvironmentIsDescribed looks for the variables that commands get.
func TestEnvironmentIsDescribed(t *testing.T) {
	all := entries(read(t, daemonPage))
	for _, name := range []string{"SESAME_DOOR", "SESAME_IP", "SESAME_EVENT", "SESAME_FAMILY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"} {
		if _, n := find(all, regexp.MustCompile(`^Ev `+name+`$`)); n != 1 {
			t.Errorf("%s has %d entries for %s, want 1", daemonPage, n, name)
		}
	}
}

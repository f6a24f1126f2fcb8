package diff_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const document = "../../docs/knockd.md"

// head begins the document. The figures are how many scenarios there are, and
// how many of them are the same.
const head = `# knockd 0.8 and sesame, side by side

Written by a test from its own table: do not edit. The test starts Debian's knockd 0.8 and sesame in a network namespace, on
one interface and with the same doors, and sends every packet once, so that both hear exactly the same. It compares what
they log and what their commands write, line by line. Of %d scenarios %d are the same; in the others the difference is the
one that is named here, and the test fails for any other.

    go test ./e2e/diff                              # as root, on Debian or Ubuntu with knockd and iproute2
    go test ./e2e/diff -run TestDocument -update    # after a change of the scenarios: writes this file anew

An attempt is what an address has knocked of a sequence so far. A lease is the time for which a door is open.

`

// TestDocument compares the document with the table it is made from.
func TestDocument(t *testing.T) {
	want := render()
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/knockd.md is not what the scenarios say; write it anew with go test ./e2e/diff -run TestDocument -update")
	}
}

func render() string {
	var text strings.Builder
	total, equal := 0, 0
	for _, g := range groups {
		for _, sc := range g.scenarios {
			total++
			if !sc.differs() {
				equal++
			}
		}
	}
	fmt.Fprintf(&text, head, total, equal)
	text.WriteString("## What sesame mends\n\n| row | | knockd 0.8 | sesame |\n|---|---|---|---|\n")
	for _, d := range mends {
		row(&text, d.id, d.what, d.knockd, d.sesame)
	}
	text.WriteString("\n## What else is different\n\n| | | knockd 0.8 | sesame |\n|---|---|---|---|\n")
	for _, d := range others {
		row(&text, d.id, d.what, d.knockd, d.sesame)
	}
	text.WriteString("\n## The scenarios\n\nThe second column says \"same\", or which row above explains the difference.\n")
	for _, g := range groups {
		fmt.Fprintf(&text, "\n### %s\n\n| scenario | | what happens |\n|---|---|---|\n", g.title)
		for _, sc := range g.scenarios {
			why := sc.why()
			if why == "" {
				why = "same"
			}
			row(&text, sc.name, why, sc.text)
		}
	}
	return text.String()
}

func row(text *strings.Builder, cells ...string) {
	for _, cell := range cells {
		text.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	text.WriteString("|\n")
}

// why is the row or the letter that explains the difference, "" where there is
// none.
func (sc *scenario) why() string {
	if sc.mend != 0 {
		return strconv.Itoa(sc.mend)
	}
	return sc.other
}

// explained returns the explanation with an id, "" where there is none.
func explained(id string) string {
	all := slices.Concat(mends, others)
	if i := slices.IndexFunc(all, func(d difference) bool { return d.id == id }); i >= 0 {
		return all[i].what
	}
	return ""
}

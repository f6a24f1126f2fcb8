package diff_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// scenario is one comparison, and one line of the document.
type scenario struct {
	name string // as it stands in the document
	text string // one sentence: what is the same, or what differs and why

	options string // for [options], besides the log file
	doors   string
	manual  bool // the steps start the daemons
	steps   []step

	want   []string // the lines of both, or of sesame where knockd is set
	knockd []string // the lines of knockd where they differ
	out    string   // what the commands wrote, of both or of sesame
	theirs string   // what knockd's wrote where that differs

	mend  int    // the row of mends that explains the difference
	other string // or the letter in others
}

// none stands in theirs for no output.
const none = "(none)"

// group is a part of the document.
type group struct {
	title     string
	scenarios []scenario
}

// groups is the whole table.
var groups = []group{
	sequences, wrongKnocks, flags, sources, doors, destinations, packets, ip6, links,
	commands, times, reloads, oneTime, files, arguments, endings,
}

// logTo is the setting that every configuration begins with.
const logTo = "\tLogFile = DIR/log\n"

func TestScenarios(t *testing.T) {
	for _, g := range groups {
		for _, sc := range g.scenarios {
			t.Run(g.title+"/"+sc.name, func(t *testing.T) {
				t.Parallel()
				sc.check(t)
			})
		}
	}
}

func (sc *scenario) check(t *testing.T) {
	l := newLab(t)
	l.configure(logTo+sc.options, sc.doors)
	if !sc.manual {
		start(l)
	}
	for _, step := range sc.steps {
		step(l)
	}
	// The second time is for what the end of a command leads to.
	for range 2 {
		l.settle()
		for i, s := range l.sides {
			sc.compare(l, s, i)
		}
		if t.Failed() {
			return
		}
	}
}

// compare waits for the lines that commands make, and fails the test for any
// that is missing or too many.
func (sc *scenario) compare(l *lab, s *side, i int) {
	l.t.Helper()
	const patience = 10 * time.Second // decides how late a failure is reported
	want, out := sc.expected(i)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got, wrote := s.lines(), s.read("out")
		if match(got, want) && wrote == out {
			return
		}
		if time.Now().After(end) {
			l.t.Errorf("%s:\n%swant:\n%scommands wrote %q, want %q", s.name, indent(got), indent(want), wrote, out)
			return
		}
	}
}

// expected returns the lines and the output of one side.
func (sc *scenario) expected(i int) (want []string, out string) {
	want, out = sc.want, sc.out
	if i == knockd && sc.knockd != nil {
		want = sc.knockd
	}
	if i == knockd && sc.theirs != "" {
		out = strings.TrimPrefix(sc.theirs, none)
	}
	if want = split(want); !sc.manual {
		want = append([]string{started}, want...)
	}
	return want, out
}

func (sc *scenario) differs() bool { return sc.mend != 0 || sc.other != "" }

// TestTable checks what the table says about itself: a difference must have its
// explanation, and an explanation its difference.
func TestTable(t *testing.T) {
	names, shown := make(map[string]bool), make(map[string]bool)
	for _, g := range groups {
		for _, sc := range g.scenarios {
			id := g.title + "/" + sc.name
			if names[id] {
				t.Errorf("%s: two scenarios have this name", id)
			}
			names[id], shown[sc.why()] = true, true
			if sc.name == "" || !strings.HasSuffix(sc.text, ".") {
				t.Errorf("%s: needs a name and a sentence", id)
			}
			want, out := sc.expected(sesame)
			theirs, theirOut := sc.expected(knockd)
			if differ := !match(theirs, want) || out != theirOut; differ != sc.differs() {
				t.Errorf("%s: it is marked as %q, but what is expected differs: %v", id, sc.why(), differ)
			}
			if sc.differs() && explained(sc.why()) == "" {
				t.Errorf("%s: no row or letter %q", id, sc.why())
			}
		}
	}
	for _, d := range slices.Concat(mends, others) {
		if shown[d.id] != !d.elsewhere {
			t.Errorf("difference %s is shown by a scenario: %v", d.id, shown[d.id])
		}
	}
}

package control

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hostile returns a text of what quoting, terminals and other formats may
// stumble over.
func hostile(r *rand.Rand) string {
	pieces := []string{
		"a", "ssh", " ", "  ", `"`, `\`, "`", "'", "\n", "\r", "\t", "\x00", "\x1b[2J", "\x7f", "\xff", "\xed\xa0\x80",
		"\u2028", "\u202e", "\ufffd", "ü", "門", "🚪", "end", "error", "end\n", "{", "}", "%", "#", ",", "=",
	}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// TestLines takes apart what was put together, quoted words and plain ones.
func TestLines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var words, sent []string
		for range r.IntN(5) {
			w := hostile(r)
			words = append(words, w)
			if w == "" || w[0] == '"' || strings.ContainsAny(w, " \n") || r.IntN(2) == 0 {
				w = strconv.Quote(w)
			}
			sent = append(sent, w)
		}
		line := string(AppendLine([]byte("before"), sent...))
		text, ok := strings.CutPrefix(line, "before")
		text, ok2 := strings.CutSuffix(text, "\n")
		if !ok || !ok2 || strings.Contains(text, "\n") {
			t.Fatalf("%q becomes %q", words, line)
		}
		if got, err := Split(text); err != nil || !slices.Equal(got, words) {
			t.Fatalf("%q becomes %q, and then %q, %v", words, line, got, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line  string
		words []string
		err   string
	}{
		{"", nil, ""},
		{"status", []string{"status"}, ""},
		{`open "my door" 192.0.2.7`, []string{"open", "my door", "192.0.2.7"}, ""},
		{`open it"s 'q' ` + "`r`", []string{"open", `it"s`, "'q'", "`r`"}, ""},
		{`close ""`, []string{"close", ""}, ""},
		{"a  b", []string{"a", "", "b"}, ""},
		{"a ", []string{"a"}, ""},
		{" a", []string{"", "a"}, ""},
		{`"a`, nil, "a quoted word does not end"},
		{`x "`, nil, "a quoted word does not end"},
		{`"a\"`, nil, "a quoted word does not end"},
		{`"\q"`, nil, "a quoted word does not end"},
		{`"a"b`, nil, "a quoted word goes on after its end"},
		{`"a""b"`, nil, "a quoted word goes on after its end"},
	} {
		words, err := Split(tt.line)
		if text := errorText(err); !slices.Equal(words, tt.words) || text != tt.err {
			t.Errorf("%s: %q, %v", tt.line, words, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReplies(t *testing.T) {
	for want, reply := range map[string]Reply{
		"b outcome opened\n":          Said("outcome", "opened"),
		`b error "no \"x\"\n"` + "\n": Failed("no \"x\"\n"),
	} {
		if b, more := reply([]byte("b ")); string(b) != want || more {
			t.Errorf("%q, more %v; want %q", b, more, want)
		}
	}
}

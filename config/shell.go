package config

import (
	"slices"
	"strings"
)

// The shell's own words (POSIX.1-2017, XCU 2.4, 2.14 and 1.6, and what dash and
// BusyBox's ash add). After the words of opens comes a command.
const (
	opens    = " ! { if then else elif do while until exec "
	builtins = " . : [ [[ alias bg break case cd chdir command continue echo esac eval exit export" +
		" false fg fi for done } getopts hash help in jobs kill let local printf pwd read readonly" +
		" return set shift source test time times trap true type ulimit umask unalias unset wait "
)

func shellWord(word string) bool {
	return isOneOf(word, opens) || isOneOf(word, builtins)
}

// isOneOf looks a word up in a list with blanks around each entry.
func isOneOf(word, list string) bool {
	return word != "" && !strings.Contains(word, " ") && strings.Contains(list, " "+word+" ")
}

// maxPrograms bounds the work for one command.
const maxPrograms = 32

// programs returns the programs that sh would run for a command, each once and
// in order, as far as that shows without running it. Words that only the shell
// can work out are left out, and so are paths relative to a folder unknown
// here, functions, and what stands in a case.
func programs(command string) (progs []string) {
	s := scanner{text: command}
	var functions []string
	start := true // a command may begin with the next word
	for redirected := false; len(progs)+len(functions) < maxPrograms; {
		word, kind := s.next()
		switch {
		case kind == tokEnd:
			return progs
		case kind == tokSeparator:
			start, redirected = true, false
			continue
		case kind == tokRedirect:
			redirected = true
			continue
		case redirected || !start || kind == tokAssignment:
			// A file's name, an argument, or a variable set for one command.
		case kind == tokWord && isOneOf(word, opens):
		case kind == tokWord && word == "case":
			return progs
		default:
			start = false
			switch {
			case kind == tokDynamic || !isProgram(word) || slices.Contains(progs, word) || slices.Contains(functions, word):
			case s.atParenthesis():
				functions = append(functions, word)
			default:
				progs = append(progs, word)
			}
		}
		redirected = false
	}
	return progs
}

func isProgram(word string) bool {
	switch {
	case word == "", word[0] == '-', shellWord(word), strings.Contains(word, clientIP):
		return false
	}
	return word[0] == '/' || !strings.Contains(word, "/")
}

type token int

const (
	tokEnd        token = iota
	tokSeparator        // ; & && | || ( ) or a newline
	tokRedirect         // < > and their kin; the next word is a file
	tokAssignment       // NAME=value
	tokWord             // as written
	tokQuoted           // as written but for its quotes, hence no keyword
	tokDynamic          // only the shell knows
)

// scanner parts a command into the words of sh, coarsely: what it does not
// understand it passes over.
type scanner struct {
	text  string
	pos   int
	depth int
}

func (s *scanner) next() (word string, kind token) {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
	if s.pos >= len(s.text) || s.text[s.pos] == '#' {
		return "", tokEnd
	}
	rest := strings.TrimLeft(s.text[s.pos:], "0123456789")
	if rest != "" && (rest[0] == '<' || rest[0] == '>') {
		s.pos = len(s.text) - len(strings.TrimLeft(rest, "<>&|"))
		return "", tokRedirect
	}
	if strings.IndexByte(";&|()\n", s.text[s.pos]) >= 0 {
		s.pos++
		return "", tokSeparator
	}
	return s.word()
}

// atParenthesis reports whether the word just read is a function's name.
func (s *scanner) atParenthesis() bool {
	return strings.HasPrefix(strings.TrimLeft(s.text[s.pos:], " \t"), "(")
}

func (s *scanner) word() (string, token) {
	var b strings.Builder
	kind, assigned, equals := tokWord, false, false
	for s.pos < len(s.text) && strings.IndexByte(" \t;&|()<>\n", s.text[s.pos]) < 0 {
		c := s.text[s.pos]
		s.pos++
		switch c {
		case '\\':
			kind = max(kind, tokQuoted)
			if s.pos < len(s.text) {
				b.WriteByte(s.text[s.pos])
				s.pos++
			}
		case '\'', '"':
			kind = max(kind, tokQuoted)
			from := s.pos
			if !s.past(c) || c == '"' && strings.ContainsAny(s.text[from:s.pos], "$`\\") {
				kind = tokDynamic
				continue
			}
			b.WriteString(s.text[from : s.pos-1])
		case '$', '`':
			kind = tokDynamic
			s.substitution(c)
		case '*', '?', '~':
			kind = tokDynamic
		case '=':
			if !equals {
				equals, assigned = true, kind == tokWord && isName(b.String())
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	if assigned {
		return "", tokAssignment
	}
	return b.String(), kind
}

// maxDepth is far more than a person nests, and keeps the stack small.
const maxDepth = 64

// past moves behind the closing character, over quotes and substitutions in
// between. Without one it moves to the end and returns false.
func (s *scanner) past(closing byte) bool {
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		s.pos = len(s.text)
	}
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == closing:
			return true
		case closing == '\'':
		case c == '\\':
			s.pos = min(s.pos+1, len(s.text))
		case c == '\'' && closing != '"', c == '"':
			s.past(c)
		case c == '(' && closing == ')':
			s.past(')')
		case c == '$', c == '`':
			s.substitution(c)
		}
	}
	return false
}

// substitution moves behind what a $ or ` that was just read begins.
func (s *scanner) substitution(c byte) {
	switch {
	case c == '`':
		s.past('`')
	case strings.HasPrefix(s.text[s.pos:], "("):
		s.pos++
		s.past(')')
	case strings.HasPrefix(s.text[s.pos:], "{"):
		s.pos++
		s.past('}')
	}
}

// isName reports whether s can name a variable.
func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

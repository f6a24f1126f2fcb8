package control

import (
	"errors"
	"strconv"
	"strings"
)

// Lines are put together and taken apart here. A word that may hold anything is
// quoted, so that every line has its words between single blanks.

// AppendLine appends a line of words that hold no blank.
func AppendLine(b []byte, words ...string) []byte {
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, w...)
	}
	return append(b, '\n')
}

// Split takes a line apart. Quoted words come without their quotes.
func Split(line string) (words []string, err error) {
	for line != "" {
		var word string
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, errors.New("a quoted word does not end")
			}
			if word, err = strconv.Unquote(quoted); err != nil {
				return nil, errors.New("a quoted word cannot be read")
			}
			line = line[len(quoted):]
			if line != "" && line[0] != ' ' {
				return nil, errors.New("a quoted word goes on after its end")
			}
			line = strings.TrimPrefix(line, " ")
		} else {
			word, line, _ = strings.Cut(line, " ")
		}
		words = append(words, word)
	}
	return words, nil
}

// Failed is a reply that says why nothing was done.
func Failed(reason string) Reply {
	return func(b []byte) ([]byte, bool) {
		return AppendLine(b, "error", strconv.Quote(reason)), false
	}
}

// Said is a reply of one line.
func Said(words ...string) Reply {
	return func(b []byte) ([]byte, bool) { return AppendLine(b, words...), false }
}
